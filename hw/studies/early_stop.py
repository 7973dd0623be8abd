"""Giving up early on trials that lag behind: asynchronous successive halving, in its stopping form.

Li et al., A System for Massively Parallel Hyperparameter Tuning, 2020 (ASHA). Trials meet on disk:
no process has to know of the others, on one machine or many.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Rungs:
    """Rungs stand at first_step * factor^k environment steps.

    At the first evaluation on or past a rung a trial notes its return there. It goes on if that is
    at least the (1 - 1/factor) quantile of what earlier trials noted, and so does the first one.
    """

    first_step: int
    factor: int

    def up_to(self, step: int) -> list[int]:
        """The rungs that a trial at this step has reached, lowest first."""
        rungs, rung = [], self.first_step
        while rung <= step:
            rungs.append(rung)
            rung *= self.factor
        return rungs

    def goes_on(self, step: int, value: float, folder: Path, name: str) -> bool:
        """Note the value at each rung that is new to this trial; whether the highest lets it pass.

        A trial that comes to a rung again, because it was killed and resumed, is told the same.
        """
        passes = True
        for rung in self.up_to(step):
            own = folder / str(rung) / f"{name}.json"
            if own.exists():
                passes = json.loads(own.read_text(encoding="utf-8"))["passes"]
                continue
            notes = [
                json.loads(path.read_text(encoding="utf-8")) for path in own.parent.glob("*.json")
            ]
            others = [note["value"] for note in notes]
            passes = not others or value >= float(np.quantile(others, 1 - 1 / self.factor))
            _write(own, {"value": value, "passes": passes})
        return passes


def _write(path: Path, note: dict[str, Any]) -> None:
    """In one piece, so that another trial reads all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(note), encoding="utf-8")
    os.replace(unfinished, path)
