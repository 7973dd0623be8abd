"""Estimates and intervals over seeds, by rliable (Agarwal et al., NeurIPS 2021).

Shapes: R runs, P points of a curve.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from hw.infrastructure.errors import MissingExtraError

CONFIDENCE = 0.95
NUM_RESAMPLES = 2000
ENOUGH_RUNS = 10  # for intervals that are hardly too narrow
ESTIMATES = {"mean": "mean", "iqm": "interquartile mean"}


def estimate(scores: np.ndarray, kind: str) -> np.ndarray:
    """The mean over runs, or their interquartile mean: of the middle half of the runs.

    Args:
        scores: (R, P).
        kind: mean or iqm.

    Returns:
        (P,).
    """
    if kind == "mean":
        return scores.mean(axis=0)
    from scipy.stats import trim_mean

    return trim_mean(scores, proportiontocut=0.25, axis=0)


def interval(scores: np.ndarray, kind: str, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Percentile interval of the estimate, from runs drawn anew with replacement.

    Each point's interval is its own: 95 % of such bands do not hold the whole curve. Of few runs it
    is too narrow: it holds the true mean of normally distributed scores in 50 % of all cases with
    2 runs, 75 % with 3, 84 % with 5, 90 % with 10.

    Args:
        scores: (R, P).
        kind: mean or iqm.
        seed: of the resampling.

    Returns:
        lower and upper ends (P,); nan where there is one run only.
    """
    if len(scores) < 2:
        return np.full(scores.shape[1], np.nan), np.full(scores.shape[1], np.nan)
    low, high = _bootstrap(scores[:, None], lambda drawn: estimate(drawn[:, 0], kind), seed)
    return low, high


def interval_in_words(nums_runs: Iterable[int]) -> str:
    """What such intervals are, of groups of so many runs, for a legend."""
    some = [number for number in nums_runs if number > 1]
    is_narrow = bool(some) and min(some) < ENOUGH_RUNS
    return f"95 % bootstrap interval{' (too narrow: few runs)' if is_narrow else ''}"


def performance_profile(
    scores: np.ndarray, thresholds: np.ndarray, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Fraction of runs with a score above each threshold (P,), and its interval (2, P): nan of one.

    Args:
        scores: (R,).
        thresholds: (P,), ascending.
        seed: of the resampling.
    """

    def profile(drawn: np.ndarray) -> np.ndarray:
        return (drawn > thresholds).mean(axis=0)

    if len(scores) < 2:
        return profile(scores[:, None]), np.full((2, len(thresholds)), np.nan)
    return profile(scores[:, None]), _bootstrap(scores[:, None], profile, seed)


def probability_of_improvement(
    scores: np.ndarray, others: np.ndarray, seed: int = 0
) -> tuple[float, float, float]:
    """How likely a run of the first kind beats one of the second, ties counted half; its interval.

    That is nan where either kind has one run only. Where all runs of one kind beat all of the other
    it is [1, 1], however few they are.

    Args:
        scores, others: (R,), which may differ in length.
        seed: of the resampling.
    """
    import_rliable()
    from rliable.metrics import probability_of_improvement as probability

    pair = scores[:, None], others[:, None]
    low = high = np.nan
    if min(len(scores), len(others)) > 1:
        low, high = np.ravel(_bootstrap(pair, probability, seed))
    return float(np.ravel(probability(*pair))[0]), float(low), float(high)


def _bootstrap(scores: Any, statistic: Any, seed: int) -> np.ndarray:
    """Ends of the percentile interval of a statistic over runs, stratified by task."""
    rly = import_rliable()
    # rliable draws from numpy's global generator, whatever generator it is given.
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    try:
        _, intervals = rly.get_interval_estimates(
            {"runs": scores},
            statistic,
            reps=NUM_RESAMPLES,
            confidence_interval_size=CONFIDENCE,
        )
    finally:
        np.random.set_state(state)  # noqa: NPY002
    return intervals["runs"]


def main_effects(scores: np.ndarray) -> list[float]:
    """Share of the variance over a full grid that each of its axes explains by itself.

    V_i / V with V the variance of the scores over the grid and V_i that of their means at each
    value of axis i: the first-order terms of functional ANOVA. What is missing to 1 is interaction
    and noise. The shares hold noise too, see `noise_shares`.

    Args:
        scores: one axis for each hyperparameter.

    Returns:
        one share an axis; all 0 where the scores are all equal.
    """
    total = scores.var()
    if total == 0:
        return [0.0] * scores.ndim
    axes = range(scores.ndim)
    means = [scores.mean(axis=tuple(other for other in axes if other != axis)) for axis in axes]
    return [float(mean.var() / total) for mean in means]


def noise_shares(shape: Sequence[int]) -> list[float]:
    """What `main_effects` finds in scores that are nothing but noise, on average.

    (L_i - 1) / (prod_j L_j - 1) for axis i of L_i values: its degrees of freedom.

    Args:
        shape: L, of a grid of two points at least.
    """
    return [(length - 1) / (math.prod(shape) - 1) for length in shape]


def import_rliable() -> Any:
    """The library, if it is installed.

    Raises:
        MissingExtraError: it is not.
    """
    try:
        from rliable import library
    except ImportError as error:
        raise MissingExtraError("an interval", "plots") from error
    return library
