"""Which configurations a study tries: all of a list, some at random, or what Optuna asks for."""

import itertools
from typing import Any, Protocol

import numpy as np

from hw.infrastructure.errors import MissingExtraError
from hw.studies.sweep_file import Sweep


class Search(Protocol):
    """A source of configurations, numbered from 0."""

    num_configs: int

    def propose(self, number: int) -> dict[str, Any]:
        """Settings of the configuration with this number, the next one that is new."""

    def tell(self, number: int, settings: dict[str, Any], score: float | None) -> None:
        """What a configuration has reached; None where it has failed."""


def make_search(sweep: Sweep) -> Search:
    """The search that a sweep asks for."""
    if sweep.method == "tpe":
        return TpeSearch(sweep)
    if sweep.method == "random":
        return RandomSearch(sweep)
    return ListSearch(sweep.configs or grid_points(sweep.grid))


def grid_points(grid: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """Every combination; the last key varies fastest."""
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


class ListSearch:
    """Configurations that are all known beforehand."""

    def __init__(self, configs: list[dict[str, Any]]):
        self.configs = configs
        self.num_configs = len(configs)

    def propose(self, number: int) -> dict[str, Any]:
        """See `Search`."""
        return self.configs[number]

    def tell(self, number: int, settings: dict[str, Any], score: float | None) -> None:
        """Nothing depends on it."""


class RandomSearch:
    """Independent draws; each depends on the search seed and its number alone."""

    def __init__(self, sweep: Sweep):
        self.space, self.seed = sweep.space, sweep.search_seed
        self.num_configs = sweep.num_configs

    def propose(self, number: int) -> dict[str, Any]:
        """See `Search`."""
        generator = np.random.default_rng([self.seed, number])
        return {key: _draw(values, generator) for key, values in self.space.items()}

    def tell(self, number: int, settings: dict[str, Any], score: float | None) -> None:
        """Nothing depends on it."""


class TpeSearch:
    """Optuna's tree-structured Parzen estimator (Bergstra et al. 2011).

    It learns from what it is told, so a resumed study tells it the past again.
    """

    def __init__(self, sweep: Sweep):
        try:
            import optuna
        except ImportError as error:
            raise MissingExtraError("tpe", "ray") from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.optuna, self.seed = optuna, sweep.search_seed
        self.num_configs = sweep.num_configs
        # Optuna's categories must be simple values; the position in the list always is.
        self.choices = {key: v for key, v in sweep.space.items() if isinstance(v, list)}
        self.distributions = {key: self._distribution(v) for key, v in sweep.space.items()}
        self.study = optuna.create_study(direction="maximize")
        self.asked: dict[int, Any] = {}

    def propose(self, number: int) -> dict[str, Any]:
        """See `Search`."""
        seed = int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0])
        # The liar counts configurations that still run as bad ones: they are not asked for twice.
        self.study.sampler = self.optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        trial = self.asked[number] = self.study.ask(self.distributions)
        return {
            key: self.choices[key][value] if key in self.choices else value
            for key, value in trial.params.items()
        }

    def tell(self, number: int, settings: dict[str, Any], score: float | None) -> None:
        """See `Search`."""
        states = self.optuna.trial.TrialState
        state = states.FAIL if score is None else states.COMPLETE
        if number in self.asked:
            self.study.tell(self.asked.pop(number), score, state=state)
            return
        params = {
            key: self.choices[key].index(value) if key in self.choices else value
            for key, value in settings.items()
        }
        self.study.add_trial(
            self.optuna.trial.create_trial(
                params=params, distributions=self.distributions, value=score, state=state
            )
        )

    def _distribution(self, values: list[Any] | dict[str, Any]) -> Any:
        distributions = self.optuna.distributions
        if isinstance(values, list):
            return distributions.CategoricalDistribution(range(len(values)))
        low, high, log = values["low"], values["high"], values.get("log", False)
        is_whole = isinstance(low, int) and isinstance(high, int)
        kind = distributions.IntDistribution if is_whole else distributions.FloatDistribution
        return kind(low, high, log=log)


def _draw(values: list[Any] | dict[str, Any], generator: np.random.Generator) -> Any:
    """One of a list, or a number of a range, uniform or with a uniform logarithm."""
    if isinstance(values, list):
        return values[generator.integers(len(values))]
    low, high = values["low"], values["high"]
    is_whole = isinstance(low, int) and isinstance(high, int)
    if values.get("log"):
        number = float(np.exp(generator.uniform(np.log(low), np.log(high))))
        return min(max(round(number), low), high) if is_whole else number
    return (
        int(generator.integers(low, high + 1)) if is_whole else float(generator.uniform(low, high))
    )
