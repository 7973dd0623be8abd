"""Evaluates a trained run on fresh episodes, one for each reset seed from --seed on."""

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import hw.infrastructure.pytorch_util as ptu
from hw.env_configs.loading import load_config
from hw.infrastructure.checkpoint import latest_state, load_state
from hw.infrastructure.env_runner import load_wrapper_states
from hw.infrastructure.errors import UserError
from hw.infrastructure.evaluation import MAX_EVAL_ENVS, evaluate
from hw.infrastructure.logger import write_video
from hw.infrastructure.run_dir import config_path
from hw.scripts.command_line import add_device_flags, run_main


def main(arguments: Sequence[str]) -> int:
    """Evaluate; returns the exit status."""
    args = parse_arguments(arguments)
    config = load_config(config_path(args.run_dir))
    snapshot = args.snapshot or latest_state(args.run_dir / "snapshots")
    ptu.init_gpu(use_gpu=not args.no_gpu, gpu_id=args.which_gpu)

    render_mode = "human" if args.human else "rgb_array" if args.video else None
    num_envs = 1 if render_mode else min(args.episodes, MAX_EVAL_ENVS)
    envs = config.recipe.envs.make_evaluation_envs(num_envs, render_mode)
    agent = config.recipe.make_agent(envs)
    state = load_state(snapshot)
    try:
        agent.load_weights(state["weights"])
        load_wrapper_states(envs, state["wrappers"])
    except (RuntimeError, AttributeError, KeyError, TypeError) as error:
        raise UserError(f"{snapshot}: no snapshot of the run in {args.run_dir}") from error
    evaluation = evaluate(
        agent,
        envs,
        range(args.seed, args.seed + args.episodes),
        deterministic=not args.sample,
        num_videos=args.episodes if args.video else 0,
    )
    envs.close()

    for i, frames in enumerate(evaluation.videos):
        path = args.run_dir / "videos" / f"{snapshot.stem}_seed_{args.seed + i}.mp4"
        write_video(frames, path, envs.metadata.get("render_fps", 30))
        print(path)
    returns = evaluation.returns
    print(
        f"return {returns.mean():.2f} +- {returns.std():.2f} (mean and standard deviation, "
        f"{len(returns)} episodes, min {returns.min():.2f}, max {returns.max():.2f})"
    )
    return 0


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR")
    parser.add_argument("--episodes", type=partial(at_least, 1), default=10)
    parser.add_argument(
        "--seed", type=partial(at_least, 0), default=10_000, help="reset seed of the first episode"
    )
    parser.add_argument("--sample", action="store_true", help="sample actions, not the mode")
    parser.add_argument("--snapshot", type=Path, help="weights to load; default: the newest")
    add_device_flags(parser)
    view = parser.add_mutually_exclusive_group()
    view.add_argument("--video", action="store_true", help="write each episode as an mp4")
    view.add_argument("--human", action="store_true", help="watch in a window")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    return parser.parse_args(arguments)


def at_least(smallest: int, text: str) -> int:
    """An integer from `smallest` on."""
    if not text.isdigit() or int(text) < smallest:
        raise argparse.ArgumentTypeError(f"must be at least {smallest}, got {text!r}")
    return int(text)


if __name__ == "__main__":
    run_main(main)
