"""Trains one agent, as an experiment's YAML file says."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import hw.infrastructure.pytorch_util as ptu
from hw.env_configs.assemble import how_it_computes, make_trainer, resume
from hw.env_configs.loading import RunConfig, load_config, load_run_config
from hw.env_configs.threads import choose_threads
from hw.infrastructure.errors import UserError
from hw.infrastructure.memory import keep_freed_memory
from hw.infrastructure.run_dir import create_run_dir, locked, write_config
from hw.infrastructure.trainer import Trainer
from hw.scripts.command_line import (
    INTERRUPTED,
    MISSED,
    add_device_flags,
    add_setting_flags,
    run_main,
    setting_overrides,
)


def main(arguments: Sequence[str]) -> int:
    """Train; returns the exit status."""
    args = parse_arguments(arguments)
    load, path = (load_run_config, args.resume) if args.resume else (load_config, args.cfg)
    config = load(path, setting_overrides(args))
    if args.check and not isinstance(config.settings.expect, dict):
        raise UserError(f"{config.source}: --check needs `expect` to name an eval_return")
    ptu.init_gpu(use_gpu=not args.no_gpu, gpu_id=args.which_gpu)
    ptu.enable_fast_matmul()
    choose_threads(config)
    keep_freed_memory()
    run_dir = args.resume or create_run_dir(args.data_dir, config.values)
    with locked(run_dir), make_trainer(config, run_dir) as trainer:
        if args.resume:
            resume(trainer, run_dir, check_versions=not args.other_versions)
        write_config(run_dir, config.values)
        print(f"logging to {run_dir}")
        print(how_it_computes(config))
        trainer.train()
    return summarise(trainer, config, run_dir, args.check)


def summarise(trainer: Trainer, config: RunConfig, run_dir: Path, check: bool) -> int:
    """Say where the run lies and what it reached; returns the exit status."""
    if not trainer.is_finished():
        print(f"stopped at step {trainer.step}; continue with --resume {run_dir}")
        return INTERRUPTED
    reached = trainer.last_evaluation["eval/return_mean"]
    spread = trainer.last_evaluation["eval/return_std"]
    print(f"eval return {reached:.1f} +- {spread:.1f} at step {trainer.step}: {run_dir}")
    if check and not reached >= config.settings.expect["eval_return"]:  # nan misses it too
        print(f"expected at least {config.settings.expect['eval_return']:.1f}")
        return MISSED
    return 0


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("-cfg", type=Path, help="an experiment's YAML file")
    source.add_argument("--resume", type=Path, metavar="RUN_DIR", help="continue a stopped run")
    add_setting_flags(parser)
    add_device_flags(parser)
    parser.add_argument(
        "--other_versions", action="store_true", help="resume even with other package versions"
    )
    parser.add_argument("--check", action="store_true", help="exit 1 if `expect` is missed")
    parser.add_argument("--data_dir", type=Path, default=Path("data"), help="where runs are kept")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_main(main)
