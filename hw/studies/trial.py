"""One trial of a study: what to run, and the outcome on disk.

Needs no PyTorch: whoever only supervises trials starts fast and stays small.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hw.studies.early_stop import Rungs
from hw.studies.machine import Numerics

OUTPUT = "output.txt"  # of a trial's process, in its run directory


@dataclass(frozen=True)
class Trial:
    """What to run, and where.

    Args:
        study_dir: of the study, seen by every machine that runs its trials.
        number: of the configuration.
        settings: in which it differs from the study's base.yaml.
        seed: of the run.
        score, score_episodes, rungs: see `Sweep`; rungs is None where nothing is stopped early.
        numerics: threads, device and precision, the same for all trials.
    """

    study_dir: Path
    number: int
    settings: dict[str, Any]
    seed: int
    score: str
    score_episodes: int
    rungs: Rungs | None
    numerics: Numerics

    @property
    def name(self) -> str:
        """Of its files."""
        return f"{self.number:04d}_seed{self.seed}"

    @property
    def run_dir(self) -> Path:
        """The run's directory."""
        return self.study_dir / "runs" / self.name

    @property
    def outcome_path(self) -> Path:
        """Where its outcome is written, once."""
        return self.study_dir / "outcomes" / f"{self.name}.json"


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Args:
        status: finished, stopped_early or failed.
        score: None if it has failed, or if no episode ended.
        eval_return: of the last evaluation.
        steps, seconds: of training.
        error: why it failed.
    """

    status: str
    score: float | None = None
    eval_return: float | None = None
    steps: int = 0
    seconds: float = 0.0
    error: str = ""


def read_outcome(trial: Trial) -> Outcome | None:
    """The trial's outcome, or None while it has none."""
    try:
        return Outcome(**json.loads(trial.outcome_path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def write_outcome(trial: Trial, outcome: Outcome) -> None:
    """Write it in one piece."""
    path = trial.outcome_path
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(asdict(outcome)), encoding="utf-8")
    os.replace(unfinished, path)
