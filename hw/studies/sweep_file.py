"""What to sweep over: a sweep's YAML file, checked before anything runs."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from hw.env_configs.loading import read_yaml, validate
from hw.env_configs.setting_types import Count, Name, Natural, Number
from hw.infrastructure.errors import ConfigError
from hw.infrastructure.metrics import WINDOWS

METHODS = ("grid", "configs", "random", "tpe")
Choices = Annotated[list[Any], Field(min_length=1)]


@with_config(ConfigDict(extra="forbid"))
class Range(TypedDict):
    """Numbers from low to high, both included; whole ones if both bounds are whole."""

    low: int | Number
    high: int | Number
    log: NotRequired[bool]


@with_config(ConfigDict(extra="forbid"))
class EarlyStop(TypedDict):
    """Successive halving: at first_step * factor^k only the best 1/factor go on."""

    first_step: Count
    factor: Annotated[int, Field(ge=2)]


@dataclass(frozen=True)
class Sweep:
    """Keys of a sweep's file.

    Args:
        base: the experiment that every trial shares: a path beside the sweep's file, or its keys.
        name: of the study's directory; the file's name if not given.
        set: settings that differ from the base in every trial.
        grid: key -> values; every combination is one configuration.
        configs: the configurations themselves, one mapping each.
        random, tpe: key -> a list to choose from, or {low, high, log}; `num_configs` are drawn at
            random, or proposed by Optuna from the scores so far.
        num_configs: for random and tpe.
        search_seed: of those two.
        seeds: each configuration is run with each of them; its score is their mean.
        score: what is maximised: the last evaluation's mean return, or that of the last training
            episodes.
        score_episodes: how many of them, at most 100.
        early_stop: give up what lags behind.
    """

    base: str | dict[str, Any]
    name: Name | None = None
    set: dict[str, Any] | None = None
    grid: dict[str, Choices] | None = None
    configs: Annotated[list[dict[str, Any]], Field(min_length=1)] | None = None
    random: dict[str, Choices | Range] | None = None
    tpe: dict[str, Choices | Range] | None = None
    num_configs: Count | None = None
    search_seed: Natural = 0
    seeds: Annotated[Sequence[Natural], Field(min_length=1)] = (1,)
    score: Literal["evaluation", "training_episodes"] = "evaluation"
    score_episodes: Annotated[int, Field(ge=1, le=max(WINDOWS))] = 20
    early_stop: EarlyStop | None = None

    @property
    def method(self) -> str:
        """How configurations are found: one of `METHODS`."""
        return next(name for name in METHODS if getattr(self, name) is not None)

    @property
    def space(self) -> dict[str, Any]:
        """Key -> values or range, of the methods that have one."""
        return getattr(self, self.method)

    @property
    def swept_keys(self) -> list[str]:
        """The keys in which configurations differ."""
        groups = self.configs if self.method == "configs" else [self.space]
        return list(dict.fromkeys(key for group in groups for key in group))


def load_sweep(path: Path) -> tuple[Sweep, dict[str, Any]]:
    """Read a sweep, and the keys of the experiment that its trials share.

    Raises:
        ConfigError: a file cannot be read, or a key or value is wrong; it names file and key.
    """
    given = {"name": Path(path).stem, **read_yaml(path)}
    try:
        values = validate(dict(inspect.signature(Sweep).parameters), given)
        sweep = Sweep(**values)
        _check(sweep)
    except ConfigError as error:
        error.source = str(path)
        raise
    base = sweep.base
    experiment = read_yaml(Path(path).parent / base) if isinstance(base, str) else dict(base)
    experiment.pop("provenance", None)
    return sweep, {"exp_name": sweep.name, **experiment, **(sweep.set or {})}


def _check(sweep: Sweep) -> None:
    """Raise a ConfigError where keys contradict each other."""
    given = [name for name in METHODS if getattr(sweep, name) is not None]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        raise ConfigError(f"needs one of {', '.join(METHODS)}, got {found}")
    if not sweep.swept_keys:
        raise ConfigError("is empty", key=sweep.method)
    is_drawn = sweep.method in ("random", "tpe")
    if is_drawn != (sweep.num_configs is not None):
        raise ConfigError(
            f"{'is missing' if is_drawn else 'goes with random and tpe'}", key="num_configs"
        )
    if "seed" in sweep.swept_keys:
        raise ConfigError("is swept by `seeds`", key=sweep.method)
    if len(set(sweep.seeds)) < len(sweep.seeds):
        raise ConfigError("holds a seed twice", key="seeds")
    for key, values in sweep.space.items() if is_drawn else ():
        if isinstance(values, dict):
            if values["low"] >= values["high"]:
                raise ConfigError(f"{key}: low must be below high", key=sweep.method)
            if values.get("log") and values["low"] <= 0:
                raise ConfigError(f"{key}: log needs low above 0", key=sweep.method)
