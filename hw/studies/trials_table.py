"""trials.csv: one row a trial, with the swept settings and what came of it."""

import csv
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hw.env_configs.loading import parse_value
from hw.infrastructure.errors import UserError
from hw.studies.trial import Trial, read_outcome

RESULTS = ("status", "score", "eval_return", "steps", "seconds", "run", "error")


@dataclass(frozen=True)
class TrialRow:
    """A row.

    Args:
        config: number of the configuration.
        settings: the swept ones.
        seed: of the run.
        status: finished, stopped_early or failed.
        score: None where there is none.
        run: the run's directory, from the study's.
    """

    config: int
    settings: dict[str, Any]
    seed: int
    status: str
    score: float | None
    run: str


def write_trials(path: Path, trials: Iterable[Trial], swept_keys: list[str]) -> None:
    """Write the trials that have ended, by configuration and seed."""
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["config", *swept_keys, "seed", *RESULTS])
        for trial in trials:
            outcome = read_outcome(trial)
            if outcome is not None:
                row = vars(outcome) | {"run": f"runs/{trial.name}"}
                row["seconds"] = f"{outcome.seconds:.2f}"
                settings = [trial.settings.get(key) for key in swept_keys]
                results = [row[name] for name in RESULTS]
                writer.writerow([trial.number, *settings, trial.seed, *results])
    os.replace(unfinished, path)


def read_trials(path: Path) -> list[TrialRow]:
    """Read what `write_trials` wrote.

    Raises:
        UserError: it cannot be read.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    if rows and not {"config", "seed", "status", "score"} <= set(rows[0]):
        raise UserError(f"{path}: is not a table of trials")
    known = {"config", "seed", *RESULTS}
    return [
        TrialRow(
            config=int(row["config"]),
            settings={key: parse_value(row[key]) for key in row if key not in known},
            seed=int(row["seed"]),
            status=row["status"],
            score=float(row["score"]) if row["score"] else None,
            run=row["run"],
        )
        for row in rows
    ]
