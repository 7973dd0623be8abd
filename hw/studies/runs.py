"""Reads what runs have measured: from run directories, studies, and tables of curves."""

import csv
import json
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from hw.infrastructure.errors import UserError
from hw.infrastructure.run_dir import config_path

# x axis -> the metric that gives it, by step.
X_METRICS = {"time": "time/seconds", "episodes": "train/num_episodes"}
# In these runs differ without being different.
NOT_COMPARED = {"seed", "exp_name", "provenance", "expect"}
KIND = ("base_config", "env_name", "name")
LAGGING = 0.95  # of the longest run's steps


@dataclass(frozen=True)
class Run:
    """One run.

    Args:
        path: its directory, or the table it stands in.
        config: its settings; of a table's curve only `name` and `seed`.
        rows: its metrics by step, None until they are asked for.
    """

    path: Path
    config: dict[str, Any]
    given_rows: tuple[dict[str, Any], ...] | None = None

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """Its metrics, one mapping a step; a last line that was cut off is left out."""
        if self.given_rows is not None:
            return list(self.given_rows)
        rows = []
        for line in (self.path / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:
                break
        return rows

    def series(self, metric: str, x: str = "steps") -> tuple[np.ndarray, np.ndarray]:
        """Where a metric was logged, and its values.

        Raises:
            UserError: it was never logged.
        """
        points = [(row["step"], row[metric]) for row in self.rows if row.get(metric) is not None]
        if not points:
            raise UserError(f"{self.path}: holds no {metric!r}{self._names()}")
        steps, values = np.array(points, dtype=float).T
        if x == "steps":
            return steps, values
        at_steps, at_values = self.series(X_METRICS[x])
        return np.interp(steps, at_steps, at_values), values

    def final(self, metric: str, num_last: int = 1) -> float:
        """Mean of the last values."""
        return float(self.series(metric)[1][-num_last:].mean())

    def _names(self) -> str:
        names = sorted({name for row in self.rows for name in row} - {"step"})
        return f"; it holds {', '.join(names[:12])}" if names else ""


def load_runs(paths: list[Path]) -> list[Run]:
    """The runs below these paths: run directories, studies, or CSV files seed,step,return_mean.

    Each once, however often it is named.

    Raises:
        UserError: a path is none of these.
    """
    runs = []
    for path in paths:
        if path.suffix == ".csv" and path.is_file():
            runs += _read_table(path)
        elif (path / "metrics.jsonl").exists():
            runs.append(_read_run(path))
        else:
            found = sorted(file.parent for file in path.glob("runs/*/metrics.jsonl"))
            found = found or sorted(file.parent for file in path.glob("*/metrics.jsonl"))
            if not found:
                raise UserError(f"{path}: neither a run, a study, nor a table of curves")
            runs += [_read_run(directory) for directory in found]
    return list({(run.path.resolve(), run.config.get("seed")): run for run in runs}.values())


def group_runs(runs: list[Run], keys: list[str] | None = None) -> dict[str, list[Run]]:
    """Runs that differ in their seed only, by a label that says in what the groups differ.

    Args:
        runs: all of them.
        keys: settings to group by; None takes those in which runs differ.

    Raises:
        UserError: no run has such a setting; or, without keys, a group has a seed twice.
    """
    known = {key for run in runs for key in run.config}
    for key in keys or ():
        if key not in known:
            raise UserError(f"--by {key}: no run has this setting")
    groups = defaultdict(list)
    for run in runs:
        groups[_label(run, _differing_keys(runs) if keys is None else keys)].append(run)
    if keys is None:
        for label, members in groups.items():
            _check_seeds(label, members)
    return dict(groups)


def lagging_runs(groups: dict[str, list[Run]], metric: str) -> list[str]:
    """A line for each run that ends well before the longest of its group."""
    lines = []
    for label, runs in groups.items():
        ends = [run.series(metric)[0][-1] for run in runs]
        lines += [
            f"{run.path} ends at step {end:,.0f}, the longest of {label!r} at {max(ends):,.0f}"
            for run, end in zip(runs, ends, strict=True)
            if end < LAGGING * max(ends)
        ]
    return lines


def telling_keys(runs: list[Run], keys: list[str]) -> list[str]:
    """The first of these settings, as many as it takes to tell all groups apart."""
    for count in range(1, len(keys)):
        if len(group_runs(runs, keys[:count])) == len(group_runs(runs, keys)):
            return keys[:count]
    return keys


def _label(run: Run, keys: list[str]) -> str:
    names = [key for key in keys if key in run.config]
    if "name" in names:
        return str(run.config["name"])
    plain = ("base_config", "env_name")
    parts = [
        _text(run.config[key]) if key in plain else f"{key} {_text(run.config[key])}"
        for key in names
    ]
    own = f"{run.config.get('base_config', '')} {run.config.get('exp_name', '')}".strip()
    return ", ".join(parts) or own or str(run.config.get("name", run.path.name))


def _differing_keys(runs: list[Run]) -> list[str]:
    """The settings that tell runs apart.

    Between algorithms, or between the tasks of several algorithms, every setting may differ, and
    their names say it all: there it counts what differs within one algorithm and task.
    """
    keys = dict.fromkeys(key for run in runs for key in run.config)
    compared = [key for key in keys if key not in NOT_COMPARED]
    kinds = defaultdict(list)
    for run in runs:
        kinds[run.config.get("base_config")].append(run)
    if len(kinds) == 1:
        return [key for key in compared if _differs(key, runs)]
    kinds = defaultdict(list)
    for run in runs:
        kinds[tuple(run.config.get(key) for key in KIND)].append(run)
    return [
        key
        for key in compared
        if (key in KIND and _differs(key, runs))
        or any(_differs(key, of_one_kind) for of_one_kind in kinds.values())
    ]


def _differs(key: str, runs: list[Run]) -> bool:
    return len({_text(run.config.get(key)) for run in runs}) > 1


def _check_seeds(label: str, runs: list[Run]) -> None:
    paths: dict[Any, Path] = {}
    for run in runs:
        seed = run.config.get("seed")
        if seed is not None and seed in paths:
            raise UserError(
                f"{label}: seed {seed} is there twice, {paths[seed]} and {run.path}; give one of "
                "them, or say with --by in what they differ"
            )
        paths[seed] = run.path


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _read_run(directory: Path) -> Run:
    try:
        config = yaml.safe_load(config_path(directory).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"{directory}: its config.yaml cannot be read") from error
    return Run(directory, config)


def _read_table(path: Path) -> list[Run]:
    rows = defaultdict(list)
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if not {"seed", "step", "return_mean"} <= set(row):
                raise UserError(f"{path}: needs the columns seed, step, return_mean")
            point = {"step": int(row["step"]), "eval/return_mean": float(row["return_mean"])}
            rows[int(row["seed"])].append(point)
    return [
        Run(path, {"name": path.stem, "seed": seed}, tuple(points)) for seed, points in rows.items()
    ]
