"""The learning check: trains for a minute or so, and compares the run with the reference's."""

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

import hw.infrastructure.pytorch_util as ptu
from hw.env_configs.assemble import make_trainer
from hw.env_configs.loading import RunConfig, load_config
from hw.homework.learning_check import (
    RETURN,
    Reference,
    Row,
    judge,
    load_reference,
    rows_of_steps,
)
from hw.infrastructure.errors import EnvError, TrainingError, UserError
from hw.infrastructure.run_dir import create_run_dir, write_config
from hw.scripts.command_line import INTERRUPTED, MISSED, run_main

FOLDER = Path("experiments/learning")
STEPS_PER_ROW = 1000
BLANK = re.compile(r"TODO\([\w.]+\)")  # what a blank method raises


def main(arguments: Sequence[str]) -> int:
    """Train and judge; returns the exit status."""
    args = parse_arguments(arguments)
    assignment = args.assignment or read_assignment(Path("assignment.json"))
    reference = load_reference(FOLDER / f"{assignment}.json")
    torch.set_num_threads(1)  # the networks are small
    ptu.init_gpu(use_gpu=False)
    try:
        config = load_config(FOLDER / f"{assignment}.yaml", {"seed": args.seed})
        run_dir = create_run_dir(args.data_dir, config.values)
        print(f"{assignment}: {config.values['total_steps']} steps, logging to {run_dir}")
        is_finished = train(config, run_dir)
    except (NotImplementedError, TrainingError, EnvError) as error:
        blank = BLANK.search(str(error))
        what = f"{blank[0]} is not written yet; `make test` shows what is" if blank else error
        print(f"off: {what}")
        return MISSED
    if not is_finished:
        return INTERRUPTED
    rows = read_rows(run_dir)
    print_curve(rows, reference)
    verdict = judge(rows, reference)
    print(f"{'ok' if verdict.is_good else 'off'}: {verdict.line}")
    return 0 if verdict.is_good else MISSED


def read_assignment(path: Path) -> str:
    """The id in a hand-out's assignment.json.

    Raises:
        UserError: there is no such file here, or it says nothing of the kind.
    """
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["assignment"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} cannot be read: run this in the hand-out's folder") from error


def train(config: RunConfig, run_dir: Path, show_progress: bool = True) -> bool:
    """Train as `run.py` does; returns whether the run went to its end."""
    with make_trainer(config, run_dir, show_progress) as trainer:
        write_config(run_dir, config.values)
        trainer.train()
        return trainer.is_finished()


def read_rows(run_dir: Path) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl, and those that steps.jsonl gives, where there is one."""
    with (run_dir / "metrics.jsonl").open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    steps_path = run_dir / "steps.jsonl"
    if steps_path.exists():
        with steps_path.open(encoding="utf-8") as file:
            rows += rows_of_steps(map(json.loads, file), STEPS_PER_ROW)
    return rows


def print_curve(rows: Sequence[Row], reference: Reference) -> None:
    """Print the evaluation returns beside the reference's."""
    print("step: evaluation return (of nine in ten runs of the reference)")
    for row in rows:
        if row.get(RETURN) is not None:
            limits = reference.curve.get(row["step"])
            beside = "" if limits is None else f" ({limits[0]:.0f} to {limits[1]:.0f})"
            print(f"{row['step']}: {row[RETURN]:.1f}{beside}")


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the run")
    parser.add_argument("--assignment", help="its id; default: the one in assignment.json")
    parser.add_argument("--data_dir", type=Path, default=Path("data"), help="where runs are kept")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_main(main)
