"""Runs a study: an experiment under many settings and seeds, as a sweep's YAML file says."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hw.infrastructure.errors import UserError
from hw.infrastructure.graceful_stop import GracefulStop
from hw.scripts.command_line import INTERRUPTED, MISSED, run_main
from hw.studies.local_backend import LocalBackend
from hw.studies.machine import choose_numerics, num_cores
from hw.studies.progress import Progress
from hw.studies.ray_backend import RayBackend
from hw.studies.study import Backend, Study, run_study
from hw.studies.sweep_file import load_sweep


def main(arguments: Sequence[str]) -> int:
    """Run what is missing; returns the exit status."""
    args = parse_arguments(arguments)
    sweep, base = load_sweep(args.cfg)
    if args.name:
        sweep = replace(sweep, name=args.name)
        base["exp_name"] = args.name
    numerics = choose_numerics(args.threads, use_gpu=args.gpus > 0)
    study = Study(args.data_dir / sweep.name, sweep, base, numerics)
    if args.resume:
        study.load()
    else:
        study.create()
    num_before = study.num_done()
    print(f"{study.num_trials} trials, {num_before} of them done, in {study.directory}", flush=True)
    progress = Progress(study.num_trials, num_before)
    if not run_study(study, make_backend(args), GracefulStop(), progress):
        print(f"stopped at {study.num_done()} of {study.num_trials} trials; --resume goes on")
        return INTERRUPTED
    print(
        f"{study.directory / 'trials.csv'}: {study.num_trials} trials, {progress.num_failed} failed"
    )
    return MISSED if progress.num_failed else 0


def make_backend(args: argparse.Namespace) -> Backend:
    """Where the trials run."""
    if args.backend == "ray":
        return RayBackend(args.address, args.jobs, args.threads, args.gpus)
    return LocalBackend(args.jobs or max(1, num_cores() // args.threads))


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-cfg", type=Path, required=True, help="a sweep's YAML file")
    parser.add_argument("--resume", action="store_true", help="finish what is missing")
    parser.add_argument("--backend", choices=("local", "ray"), default="local")
    parser.add_argument("--address", help="of a Ray cluster, such as auto; default: start one here")
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="trials at a time; default: the cores"
    )
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="of each trial")
    parser.add_argument("--gpus", type=float, default=0, metavar="N", help="of each trial")
    parser.add_argument("--name", help="of the study; default: the file's")
    parser.add_argument(
        "--data_dir", type=Path, default=Path("data"), help="where studies are kept"
    )
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    args = parser.parse_args(arguments)
    if args.address and args.backend != "ray":
        raise UserError("--address goes with --backend ray")
    for name in ("jobs", "threads"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            raise UserError(f"--{name} must be at least 1")
    return args


if __name__ == "__main__":
    run_main(main)
