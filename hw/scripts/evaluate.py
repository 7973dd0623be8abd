"""Evaluates a trained run on fresh episodes, one for each reset seed from --seed on."""

import argparse
import csv
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from gymnasium.vector import VectorEnv

import hw.infrastructure.pytorch_util as ptu
from hw.agents.base_agent import BaseAgent
from hw.env_configs.assemble import load_snapshot, make_agent
from hw.env_configs.loading import load_config
from hw.infrastructure.checkpoint import latest_state, list_states, step_of
from hw.infrastructure.evaluation import MAX_EVAL_ENVS, Evaluation, evaluate, first_lasting
from hw.infrastructure.logger import write_picture, write_video
from hw.infrastructure.run_dir import config_path
from hw.scripts.command_line import add_device_flags, run_main


def main(arguments: Sequence[str]) -> int:
    """Evaluate; returns the exit status."""
    args = parse_arguments(arguments)
    config = load_config(config_path(args.run_dir))
    ptu.init_gpu(use_gpu=not args.no_gpu, gpu_id=args.which_gpu)
    render_mode = "human" if args.human else "rgb_array" if args.video or args.picture else None
    num_envs = 1 if render_mode else min(args.episodes, MAX_EVAL_ENVS)
    envs = config.recipe.envs.make_evaluation_envs(num_envs, render_mode)
    agent = make_agent(config, envs)
    try:
        if args.curve:
            write_curve(args, agent, envs)
        else:
            snapshot = args.snapshot or latest_state(args.run_dir / "snapshots")
            evaluation = evaluate_snapshot(args, agent, envs, snapshot)
            write_frames(args, evaluation, snapshot, envs.metadata.get("render_fps", 30))
            print(describe(evaluation))
    finally:
        envs.close()
    return 0


def evaluate_snapshot(
    args: argparse.Namespace, agent: BaseAgent, envs: VectorEnv, snapshot: Path
) -> Evaluation:
    """The episodes of one snapshot."""
    load_snapshot(snapshot, agent, envs)
    return evaluate(
        agent,
        envs,
        range(args.seed, args.seed + args.episodes),
        deterministic=not args.sample,
        step=step_of(snapshot),
        num_videos=args.episodes if args.video else int(args.picture),
    )


def write_curve(args: argparse.Namespace, agent: BaseAgent, envs: VectorEnv) -> None:
    """Evaluate every snapshot of the run, oldest first, into a table and RUN_DIR/snapshots.csv."""
    latest_state(args.run_dir / "snapshots")  # there is at least one
    rows: list[tuple[int, float, float]] = []
    for snapshot in list_states(args.run_dir / "snapshots"):
        evaluation = evaluate_snapshot(args, agent, envs, snapshot)
        rows.append((step_of(snapshot), evaluation.returns.mean(), evaluation.returns.std()))
        print(f"step {rows[-1][0]}: {describe(evaluation)}", flush=True)
    path = args.run_dir / "snapshots.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("step", "return_mean", "return_std"))
        writer.writerows((step, f"{mean:.4f}", f"{std:.4f}") for step, mean, std in rows)
    print(path)
    if args.threshold is not None:
        step = first_lasting([row[0] for row in rows], [row[1] for row in rows], args.threshold)
        reached = "never stays" if step is None else f"stays from step {step} on"
        print(f"the mean return {reached} above {args.threshold:g}")


def write_frames(
    args: argparse.Namespace, evaluation: Evaluation, snapshot: Path, fps: float
) -> None:
    """Write the videos or the picture that were asked for, and say where."""
    for i, frames in enumerate(evaluation.videos):
        name = f"{snapshot.stem}_seed_{args.seed + i}"
        path = args.run_dir / "videos" / (name + (".mp4" if args.video else ".png"))
        if args.video:
            write_video(frames, path, fps)
        else:
            write_picture(frames[-1], path)
        print(path)


def describe(evaluation: Evaluation) -> str:
    """Its returns in a line."""
    returns = evaluation.returns
    return (
        f"return {returns.mean():.2f} +- {returns.std():.2f} (mean and standard deviation, "
        f"{len(returns)} episodes, min {returns.min():.2f}, max {returns.max():.2f})"
    )


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR")
    parser.add_argument("--episodes", type=partial(at_least, 1), default=10)
    parser.add_argument(
        "--seed", type=partial(at_least, 0), default=10_000, help="reset seed of the first episode"
    )
    parser.add_argument("--sample", action="store_true", help="sample actions, not the mode")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--snapshot", type=Path, help="weights to load; default: the newest")
    which.add_argument("--curve", action="store_true", help="evaluate every snapshot of the run")
    parser.add_argument(
        "--threshold", type=float, help="with --curve: say from where on the return stays above"
    )
    add_device_flags(parser)
    view = parser.add_mutually_exclusive_group()
    view.add_argument("--video", action="store_true", help="write each episode as an mp4")
    view.add_argument("--picture", action="store_true", help="write the first one's last frame")
    view.add_argument("--human", action="store_true", help="watch in a window")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    args = parser.parse_args(arguments)
    if args.curve and (args.video or args.picture or args.human):
        parser.error("--curve does not go with --video, --picture or --human")
    if args.threshold is not None and not args.curve:
        parser.error("--threshold goes with --curve")
    return args


def at_least(smallest: int, text: str) -> int:
    """An integer from `smallest` on."""
    if not text.isdigit() or int(text) < smallest:
        raise argparse.ArgumentTypeError(f"must be at least {smallest}, got {text!r}")
    return int(text)


if __name__ == "__main__":
    run_main(main)
