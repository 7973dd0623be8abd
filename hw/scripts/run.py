"""Trains one agent, as an experiment's YAML file says."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hw.infrastructure.pytorch_util as ptu
from hw.env_configs.assemble import make_trainer, resume
from hw.env_configs.loading import RunConfig, load_config, parse_override
from hw.infrastructure.errors import UserError
from hw.infrastructure.run_dir import config_path, create_run_dir, write_config
from hw.scripts.command_line import INTERRUPTED, MISSED, run_main

SETTING_FLAGS = ("eval_interval", "num_eval_trajectories", "num_render_trajectories", "log_interval")


def main(arguments: Sequence[str]) -> int:
    """Train; returns the exit status."""
    args = parse_arguments(arguments)
    config = load_config(args.cfg or config_path(args.resume), overrides(args))
    if args.check and not isinstance(config.settings.expect, dict):
        raise UserError(f"{config.source}: --check needs `expect` to name an eval_return")
    ptu.init_gpu(use_gpu=not args.no_gpu, gpu_id=args.which_gpu)
    ptu.enable_fast_matmul()
    run_dir = args.resume or create_run_dir(args.data_dir, config.values)
    with make_trainer(config, run_dir) as trainer:
        if args.resume:
            resume(trainer, run_dir)
        write_config(run_dir, config.values)
        print(f"logging to {run_dir}")
        evaluation = trainer.train()
    return summarise(trainer.step, trainer.is_finished(), evaluation, config, args.check, run_dir)


def summarise(
    step: int,
    is_finished: bool,
    evaluation: dict[str, float],
    config: RunConfig,
    check: bool,
    run_dir: Path,
) -> int:
    """Say what the run reached and where it lies; returns the exit status."""
    if not is_finished:
        print(f"stopped at step {step}; continue with --resume {run_dir}")
        return INTERRUPTED
    reached = evaluation["eval/return_mean"]
    print(f"eval return {reached:.1f} +- {evaluation['eval/return_std']:.1f} at step {step}: {run_dir}")
    if check and reached < config.settings.expect["eval_return"]:
        print(f"expected at least {config.settings.expect['eval_return']:.1f}")
        return MISSED
    return 0


def overrides(args: argparse.Namespace) -> dict[str, Any]:
    """The settings given on the command line, which win over the file's."""
    given = dict(parse_override(text) for text in args.set)
    flags = {name: getattr(args, name) for name in ("seed", *SETTING_FLAGS)}
    return given | {name: value for name, value in flags.items() if value is not None}


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("-cfg", type=Path, help="an experiment's YAML file")
    source.add_argument("--resume", type=Path, metavar="RUN_DIR", help="continue a stopped run")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--set", nargs="+", default=[], action="extend", metavar="KEY=VALUE")
    parser.add_argument("--no_gpu", action="store_true", help="stay on the CPU")
    parser.add_argument("--which_gpu", type=int, help="number of the GPU to use")
    for flag in SETTING_FLAGS:
        parser.add_argument(f"--{flag}", type=int, metavar="N", help=f"same as --set {flag}=N")
    parser.add_argument("--check", action="store_true", help="exit 1 if `expect` is missed")
    parser.add_argument("--data_dir", type=Path, default=Path("data"), help="where runs are kept")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_main(main)
