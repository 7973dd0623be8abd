"""A table of a study on the terminal: a line for each trial that runs, and one for all."""

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tqdm import tqdm

from hw.studies.trial import Outcome, Trial

MAX_LINES = 16
TAIL_BYTES = 4096


class Progress:
    """Draws where a study stands; away from a terminal it prints a line for each trial that ends.

    Args:
        num_trials, num_done: in the study, and of them already before.
        is_drawn: None draws on a terminal only.
    """

    def __init__(self, num_trials: int, num_done: int, is_drawn: bool | None = None):
        self.is_drawn = sys.stderr.isatty() if is_drawn is None else is_drawn
        self.num_failed = 0
        self.best: tuple[float, str] | None = None
        self.bar = tqdm(
            total=num_trials,
            initial=num_done,
            unit="trial",
            dynamic_ncols=True,
            disable=not self.is_drawn,
        )
        self.lines: list[tqdm] = []

    def ended(self, trial: Trial, outcome: Outcome) -> None:
        """Count a trial, and say what came of it."""
        self.bar.update()
        what = describe(trial)
        if outcome.status == "failed":
            self.num_failed += 1
            self._say(f"failed: {what}: {outcome.error} (see {trial.run_dir}/output.txt)")
            return
        if outcome.score is not None and (self.best is None or outcome.score > self.best[0]):
            self.best = outcome.score, what
            self.bar.set_postfix_str(f"best {outcome.score:.1f} ({what})")
        if not self.is_drawn:
            score = "none" if outcome.score is None else f"{outcome.score:.1f}"
            self._say(f"{outcome.status}: {what}: {score}, {outcome.seconds:.0f} s")

    def look(self, running: Iterable[Trial]) -> None:
        """Redraw the lines of the trials that run."""
        if not self.is_drawn:
            return
        running = list(running)[:MAX_LINES]
        while len(self.lines) < len(running):
            line = tqdm(position=len(self.lines) + 1, bar_format="{desc}", leave=False)
            self.lines.append(line)
        for i, line in enumerate(self.lines):
            text = describe_progress(running[i]) if i < len(running) else ""
            line.set_description_str(text)

    def close(self) -> None:
        """Leave the terminal in order."""
        for line in self.lines:
            line.close()
        self.bar.close()

    def _say(self, text: str) -> None:
        if self.is_drawn:
            tqdm.write(text, file=sys.stderr)
        else:
            print(text, flush=True)


def describe(trial: Trial) -> str:
    """A trial in words."""
    settings = "  ".join(f"{key}={value}" for key, value in trial.settings.items())
    return f"{trial.number:04d}  {settings}  seed={trial.seed}"


def describe_progress(trial: Trial) -> str:
    """Likewise, with where it stands by its newest metrics."""
    row = last_row(trial.run_dir / "metrics.jsonl")
    if not row:
        return f"  {describe(trial)}  starting"
    reached = row.get("train/return_mean_10", row.get("train/return"))
    suffix = "" if reached is None else f", return {reached:.1f}"
    return f"  {describe(trial)}  step {row['step']}{suffix}"


def last_row(path: Path) -> dict[str, Any]:
    """The last complete line of metrics.jsonl that is not too long; empty if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            lines = file.read().split(b"\n")[:-1]
        return json.loads(lines[-1])
    except (OSError, IndexError, ValueError):
        return {}
