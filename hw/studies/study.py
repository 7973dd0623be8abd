"""A study's directory, and the loop that fills it with finished trials.

```
data/<name>/
  sweep.yaml      what was asked for; itself a sweep's file
  base.yaml       the experiment that all trials share
  study.json      what all trials' numbers depend on beside that
  configs.jsonl   the configurations so far, one a line
  runs/           a run directory for each trial, NNNN_seedK
  outcomes/       NNNN_seedK.json, there once the trial has ended
  trials.csv      one row a trial
```
"""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import yaml

from hw.env_configs.loading import bind, read_yaml
from hw.infrastructure.errors import ConfigError, UserError
from hw.infrastructure.graceful_stop import GracefulStop
from hw.studies.early_stop import Rungs
from hw.studies.machine import Numerics
from hw.studies.progress import Progress
from hw.studies.search import ListSearch, make_search
from hw.studies.sweep_file import Sweep
from hw.studies.trial import Outcome, Trial, read_outcome, write_outcome
from hw.studies.trials_table import write_trials

SECONDS_BETWEEN_LOOKS = 0.5


class Backend(Protocol):
    """Where trials run."""

    num_slots: int

    def submit(self, trial: Trial) -> Any:
        """Start a trial; returns a task."""

    def wait(self, tasks: list[Any], timeout: float) -> list[Any]:
        """The tasks that have ended, within so many seconds."""

    def error(self, task: Any) -> str:
        """What kept a task that has ended from leaving an outcome; empty if nothing did."""

    def close(self) -> None:
        """End the trials that run, each with a checkpoint."""


class Study:
    """A sweep and its directory.

    Args:
        directory: of the study.
        sweep: what was asked for.
        base: the keys that all trials share.
        numerics: for a new study; one that is resumed keeps its own.
    """

    def __init__(self, directory: Path, sweep: Sweep, base: dict[str, Any], numerics: Numerics):
        self.directory, self.sweep, self.base = directory.resolve(), sweep, base
        self.numerics = numerics
        self.search = make_search(sweep)
        self.configs: list[dict[str, Any]] = []
        self.told: set[int] = set()

    def create(self) -> None:
        """Check every configuration that is known beforehand, and make the directory.

        Raises:
            ConfigError: a key or value is wrong; nothing was written then.
            UserError: the directory exists.
        """
        known = self.search.configs if isinstance(self.search, ListSearch) else [self._sample()]
        for settings in known:
            check_experiment({**self.base, **settings}, self.sweep.swept_keys)
        try:
            self.directory.mkdir(parents=True)
        except FileExistsError as error:
            raise UserError(
                f"{self.directory} exists; --resume finishes it, --name makes another"
            ) from error
        _write_yaml(self.directory / "base.yaml", self.base)
        numerics = json.dumps(asdict(self.numerics), indent=2)
        (self.directory / "study.json").write_text(numerics + "\n", encoding="utf-8")
        # Last: a directory that has it is complete.
        _write_yaml(self.directory / "sweep.yaml", _plain(self.sweep))

    def load(self) -> None:
        """Take up a directory that `create` has made.

        Raises:
            UserError: there is none, or it is of another sweep.
        """
        if not (self.directory / "sweep.yaml").exists():
            raise UserError(f"{self.directory}: no study to resume")
        old = read_yaml(self.directory / "sweep.yaml"), read_yaml(self.directory / "base.yaml")
        if old != (_plain(self.sweep), self.base):
            raise UserError(
                f"{self.directory} is of another sweep: its sweep.yaml or base.yaml differ"
            )
        stored = json.loads((self.directory / "study.json").read_text(encoding="utf-8"))
        self.numerics = Numerics(**stored)
        path = self.directory / "configs.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
        self.configs = [json.loads(line) for line in lines if line.endswith("\n")]
        path.write_text("".join(json.dumps(c) + "\n" for c in self.configs), encoding="utf-8")
        for trial in self.trials():
            outcome = read_outcome(trial)
            if outcome is not None and outcome.status == "failed":
                trial.outcome_path.unlink()  # whoever resumes has mended the cause
        for number in range(len(self.configs)):
            self.tell(number)

    def trials(self) -> Iterator[Trial]:
        """The trials of the configurations so far."""
        for number in range(len(self.configs)):
            for seed in self.sweep.seeds:
                yield self.trial(number, seed)

    def trial(self, number: int, seed: int) -> Trial:
        """One of them."""
        early_stop = self.sweep.early_stop
        return Trial(
            study_dir=self.directory,
            number=number,
            settings=self.configs[number],
            seed=seed,
            score=self.sweep.score,
            score_episodes=self.sweep.score_episodes,
            rungs=Rungs(**early_stop) if early_stop else None,
            numerics=self.numerics,
        )

    def missing(self) -> Iterator[Trial]:
        """Trials without an outcome: of the configurations so far, then of new ones."""
        for trial in list(self.trials()):
            if read_outcome(trial) is None:
                yield trial
        while len(self.configs) < self.search.num_configs:
            number = len(self.configs)
            self.configs.append(self.search.propose(number))
            with (self.directory / "configs.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(self.configs[number]) + "\n")
            for seed in self.sweep.seeds:
                yield self.trial(number, seed)

    def tell(self, number: int) -> None:
        """Tell the search of a configuration, once, if all its seeds have ended."""
        outcomes = [read_outcome(self.trial(number, seed)) for seed in self.sweep.seeds]
        if None not in outcomes and number not in self.told:
            self.told.add(number)
            scores = [outcome.score for outcome in outcomes]
            mean = None if None in scores else math.fsum(scores) / len(scores)
            self.search.tell(number, self.configs[number], mean)

    @property
    def num_trials(self) -> int:
        """Of the whole study."""
        return self.search.num_configs * len(self.sweep.seeds)

    def num_done(self) -> int:
        """Trials that have an outcome."""
        return sum(1 for _ in (self.directory / "outcomes").glob("*.json"))

    def _sample(self) -> dict[str, Any]:
        """One value for each key, to check the keys with."""
        return {
            key: values["low"] if isinstance(values, dict) else values[0]
            for key, values in self.sweep.space.items()
        }


def run_study(study: Study, backend: Backend, stop: GracefulStop, progress: Progress) -> bool:
    """Run what is missing; True at its end, False if a signal stopped it before."""
    missing = study.missing()
    running: dict[Any, Trial] = {}
    is_exhausted = False
    try:
        with stop:
            while not stop.is_requested:
                while not is_exhausted and len(running) < backend.num_slots:
                    trial = next(missing, None)
                    is_exhausted = trial is None
                    if trial is not None:
                        running[backend.submit(trial)] = trial
                if not running:
                    return True
                for task in backend.wait(list(running), SECONDS_BETWEEN_LOOKS):
                    trial = running.pop(task)
                    progress.ended(trial, take_in(study, trial, backend.error(task)))
                progress.look(running.values())
            return False
    finally:
        backend.close()
        progress.close()
        write_trials(study.directory / "trials.csv", study.trials(), study.sweep.swept_keys)


def take_in(study: Study, trial: Trial, error: str) -> Outcome:
    """The outcome of a trial that has ended; whatever kept it from having one is its failure."""
    outcome = read_outcome(trial)
    if outcome is None:
        outcome = Outcome("failed", error=error or "it was stopped from outside")
        write_outcome(trial, outcome)
    study.tell(trial.number)
    return outcome


def check_experiment(given: dict[str, Any], swept_keys: list[str]) -> None:
    """Raise a ConfigError that names the settings where an experiment is wrong."""
    try:
        bind(given)
    except ConfigError as error:
        where = ", ".join(f"{key}={given[key]}" for key in swept_keys if key in given)
        error.source = f"with {where}" if error.key in swept_keys else "base"
        raise


def _plain(sweep: Sweep) -> dict[str, Any]:
    """As YAML gives it back, with the base beside it; keys that were not given are left out."""
    keys = json.loads(json.dumps(asdict(sweep)))
    keys |= {"base": "base.yaml", "set": None}
    return {key: value for key, value in keys.items() if value is not None}


def _write_yaml(path: Path, content: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
