"""The files of a training run that somebody handed in: YAML and JSON that may be hostile."""

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hw.homework.rules import MAX_FILE_BYTES, RUN_FILES, plain
from hw.infrastructure.errors import UserError

MAX_BRACKETS = 500  # in YAML


@dataclass(frozen=True)
class Run:
    """What the files of a run say; nothing vouches for it.

    Args:
        name: of its directory.
        settings: of config.yaml.
        step: the last that was logged.
        is_finished: its budget is spent, and it was evaluated at the end.
        eval_return: of the last evaluation.
    """

    name: str
    settings: dict[str, Any]
    step: int
    is_finished: bool
    eval_return: float | None

    def is_of(self, experiment: dict[str, Any]) -> bool:
        """Whether it ran this experiment, whatever its seed and budget."""
        return all(
            self.settings.get(key) == experiment.get(key, default)
            for key, default in (("base_config", None), ("env_name", None), ("exp_name", "default"))
        )

    def age_key(self) -> tuple[str, int]:
        """Grows with the time at which it began, which its name ends in."""
        match = re.search(r"_(\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d)(?:-(\d{1,2}))?$", self.name)
        return (match[1], int(match[2] or 1)) if match else ("", 0)


def read_run(name: str, config: bytes | None, metrics: bytes | None) -> Run:
    """What the files of a run say.

    Raises:
        UserError: one is missing or damaged.
    """
    if config is None or metrics is None:
        raise UserError(f"has no {RUN_FILES[0] if config is None else RUN_FILES[1]}")
    if len(config) > MAX_FILE_BYTES["config.yaml"]:
        raise UserError("has a config.yaml that is too large")
    try:
        settings = _read_yaml(config)
    except ValueError as error:
        raise UserError(f"has a damaged config.yaml: {error}") from error
    last_step = last_evaluation = num_episodes = 0
    eval_return = None
    for line in metrics.splitlines():
        try:
            row = read_json(line)
            step = row["step"]
        except (ValueError, KeyError, TypeError):
            continue  # a line that was not written to its end
        last_step = step if type(step) is int else last_step
        num_episodes = row.get("train/num_episodes", num_episodes)
        if "eval/return_mean" in row:
            eval_return, last_evaluation = _finite(row["eval/return_mean"]), last_step
    budget, spent = settings.get("total_steps"), last_step
    if budget is None:
        budget, spent = settings.get("total_episodes"), num_episodes
    is_spent = type(budget) is int and type(spent) is int and spent >= budget
    is_finished = is_spent and last_evaluation == last_step > 0
    return Run(name, settings, last_step, is_finished, eval_return)


def read_settings(path: Path) -> dict[str, Any]:
    """The settings of an experiment's file.

    Raises:
        UserError: it is no YAML file of settings.
        OSError: it cannot be read.
    """
    try:
        return _read_yaml(path.read_bytes())
    except ValueError as error:
        raise UserError(f"{path} is damaged: {error}") from error


def _finite(value: Any) -> float | None:
    """A number that is finite; None for all else."""
    try:
        return float(value) if type(value) in (int, float) and math.isfinite(value) else None
    except OverflowError:
        return None


def read_json(content: bytes) -> dict[str, Any]:
    """A JSON object; ValueError for anything else."""
    try:
        value = json.loads(content)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


class _Loader(yaml.SafeLoader):
    """Safe YAML without merge keys, of which a few lines make millions of entries."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Leave `<<` as it is; no constructor knows it."""


def _read_yaml(content: bytes) -> dict[str, Any]:
    """A YAML mapping; ValueError for anything else."""
    if content.count(b"[") + content.count(b"{") > MAX_BRACKETS:  # they take quadratic time
        raise ValueError("it has too many brackets")
    try:
        value = yaml.load(content.decode("utf-8"), _Loader)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ValueError(f"{line}{plain(error.problem)}") from error
    except Exception as error:  # values that fit no type raise errors of many kinds
        raise ValueError("it is no YAML") from error
    if not isinstance(value, dict):
        raise ValueError("it holds no settings")
    return value
