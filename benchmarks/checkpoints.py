"""What a checkpoint costs in seconds and bytes, and how much logging and saving slow a run down.

    python benchmarks/checkpoints.py size [--transitions 1000000] [--env HalfCheetah-v5]
    python benchmarks/checkpoints.py slowdown [--steps 30000]
    python benchmarks/checkpoints.py logging [--cfg experiments/ppo/cartpole.yaml]

`size` fills the replay buffer of an experiment with random transitions and saves the trainer: all
of it, then after 10 000 transitions more, then once more with nothing new; and loads it.
`slowdown` trains SAC on HalfCheetah behind 990 000 transitions that are saved already, and adds up
the seconds spent in `save_checkpoint` and `save_snapshot` at an interval of 10 000 steps.
`logging` does the same for the logger, in an experiment as its file has it.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from hw.env_configs.assemble import make_trainer, resume  # noqa: E402
from hw.env_configs.loading import load_config  # noqa: E402
from hw.infrastructure.logger import Logger  # noqa: E402
from hw.infrastructure.trainer import Trainer  # noqa: E402

EXPERIMENT = ROOT / "experiments/sac/halfcheetah_clipq.yaml"
MORE = 10_000  # transitions between two checkpoints


def fill(trainer: Trainer, count: int, random: np.random.Generator) -> None:
    """Insert random transitions of the environment's shapes, a thousand at a time."""
    envs = trainer.runner.envs
    (observation_size,) = envs.single_observation_space.shape
    (action_size,) = envs.single_action_space.shape
    for _ in range(count // 1000):
        observations = random.standard_normal((2, 1000, observation_size), np.float32)
        actions = random.standard_normal((1000, action_size), np.float32)
        ended = np.zeros(1000, np.bool_)
        trainer.buffer.insert(
            observations[0], actions, np.zeros(1000), observations[1], ended, ended
        )


def files(run_dir: Path) -> dict[Path, int]:
    """The sizes of the checkpoints' files, in bytes."""
    return {
        path: path.stat().st_size for path in run_dir.glob("checkpoints/**/*") if path.is_file()
    }


def measure_size(args: argparse.Namespace) -> None:
    """Print a line for each way to save, and one for loading."""
    capacity = max(args.transitions, MORE)
    config = load_config(
        EXPERIMENT, {"env_name": args.env, "replay_buffer_capacity": capacity, "compile": False}
    )
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        run_dir = Path(folder)
        with make_trainer(config, run_dir, show_progress=False) as trainer:
            trainer.runner.reset()
            fill(trainer, args.transitions, random)
            record = trainer.buffer.records.itemsize
            print(f"{len(trainer.buffer):,} transitions of {record} bytes")
            for number, name in enumerate(("full", f"{MORE:,} more", "nothing new"), start=1):
                if number == 2:
                    fill(trainer, MORE, random)
                before = files(run_dir)
                trainer.step = number
                began_at = time.perf_counter()
                trainer.save_checkpoint()
                seconds = time.perf_counter() - began_at
                after = files(run_dir)
                written = sum(size for path, size in after.items() if path not in before)
                total = sum(after.values())
                print(f"{name}: {seconds:.2f} s, {written:,} bytes written, {total:,} in all")
        with make_trainer(config, run_dir, show_progress=False) as trainer:
            began_at = time.perf_counter()
            resume(trainer, run_dir)
            print(f"loading: {time.perf_counter() - began_at:.2f} s")


class Stopwatch:
    """Adds up the seconds that calls of some methods take."""

    def __init__(self):
        self.seconds = 0.0
        self.is_running = False

    def timed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """The method, timed unless it is called by another timed one."""

        def call(*args: Any) -> Any:
            if self.is_running:
                return method(*args)
            self.is_running, began_at = True, time.perf_counter()
            try:
                return method(*args)
            finally:
                self.seconds += time.perf_counter() - began_at
                self.is_running = False

        return call


def train(args: argparse.Namespace, owner: type, methods: Sequence[str], label: str) -> None:
    """Train for so many steps; print which part of the time these methods took."""
    changes: dict[str, Any] = {"total_steps": args.steps, "compile": False}
    if owner is Trainer:
        changes |= {"training_starts": 1000, "random_steps": 1000}
        changes |= {"checkpoint_interval": MORE, "replay_buffer_capacity": 10**6}
    config = load_config(args.cfg, changes)
    stopwatch = Stopwatch()
    originals = {name: getattr(owner, name) for name in methods}
    with (
        tempfile.TemporaryDirectory(dir=args.folder) as folder,
        make_trainer(config, Path(folder), show_progress=False) as trainer,
    ):
        if owner is Trainer:
            trainer.runner.reset()
            fill(trainer, 990_000, np.random.default_rng(0))
            trainer.save_checkpoint()
        for name, method in originals.items():
            setattr(owner, name, stopwatch.timed(method))
        began_at = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - began_at
    for name, method in originals.items():
        setattr(owner, name, method)
    share = stopwatch.seconds / (seconds - stopwatch.seconds)
    print(
        f"{label}: {stopwatch.seconds:.2f} s of {seconds:.1f} s for {args.steps:,} steps at "
        f"{args.steps / seconds:.0f} a second: {share:.2%}"
    )


def main(arguments: Sequence[str]) -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("size", "slowdown", "logging"))
    parser.add_argument("--transitions", type=int, default=1_000_000)
    parser.add_argument("--env", default="HalfCheetah-v5")
    parser.add_argument("--steps", type=int, default=30_000)
    parser.add_argument("--cfg", type=Path, default=EXPERIMENT, help="for slowdown and logging")
    parser.add_argument("--folder", help="where to write; default: the system's temporary folder")
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    if args.what == "size":
        measure_size(args)
    elif args.what == "slowdown":
        train(args, Trainer, ("save_checkpoint", "save_snapshot"), "saving")
    else:
        methods = ("log_scalars", "log_histogram", "log_episode", "flush")
        train(args, Logger, methods, "logging")


if __name__ == "__main__":
    main(sys.argv[1:])
