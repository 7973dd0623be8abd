"""Learning curves: groups of runs on one x axis, smoothed if asked, with an interval over seeds."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from hw.infrastructure.errors import UserError
from hw.studies.figure_style import add_legend, add_title, colour, line, new_figure, thousands
from hw.studies.runs import Run
from hw.studies.statistics import ESTIMATES, estimate, interval, interval_in_words

MAX_THIN_LINES = 5
NUM_POINTS = 200  # of a curve whose runs were not logged at the same places
X_LABELS = {"steps": "environment steps", "time": "minutes of training", "episodes": "episodes"}
METRIC_LABELS = {
    "eval/return_mean": "evaluation return",
    "train/return": "return of a training episode",
    "train/return_mean_10": "return, last 10 training episodes",
    "train/return_mean_100": "return, last 100 training episodes",
}


@dataclass(frozen=True)
class Curve:
    """One group's curve over R runs and P points.

    Args:
        x: (P,).
        runs: (R, P).
        middle: (P,), the estimate over runs.
        low, high: (P,), ends of its 95 % interval; nan for a single run.
    """

    x: np.ndarray
    runs: np.ndarray
    middle: np.ndarray
    low: np.ndarray
    high: np.ndarray


def make_curve(runs: list[Run], metric: str, x: str, kind: str, window: int) -> Curve:
    """The curve of one group.

    Args:
        runs: of the group.
        metric: such as eval/return_mean.
        x: steps, time or episodes.
        kind: mean or iqm.
        window: each point is the mean of so many that a run has logged, itself and those before
            it; 1 smooths nothing.
    """
    series = [run.series(metric, x) for run in runs]
    places, values = align([(own, moving_mean(logged, window)) for own, logged in series])
    low, high = interval(values, kind)
    return Curve(places, values, estimate(values, kind), low, high)


def align(series: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Runs on common places x (P,), as (R, P).

    Where all were logged at the same places these are kept. Otherwise the values are interpolated
    on the stretch that all runs cover: nothing is invented past a run's end.
    """
    first = series[0][0]
    if all(np.array_equal(places, first) for places, _ in series):
        return first, np.stack([values for _, values in series])
    begin = max(places[0] for places, _ in series)
    end = min(places[-1] for places, _ in series)
    if begin > end:
        raise UserError("these runs have no stretch of the x axis in common")
    shortest = min(int(((p >= begin) & (p <= end)).sum()) for p, _ in series)
    places = np.linspace(begin, end, max(2, min(NUM_POINTS, shortest)))
    return places, np.stack([np.interp(places, own, values) for own, values in series])


def moving_mean(values: np.ndarray, window: int) -> np.ndarray:
    """The mean of each value and the window - 1 before it; fewer at the beginning."""
    sums = np.cumsum(np.concatenate([[0.0], values]))
    ends = np.arange(1, len(values) + 1)
    begins = np.maximum(0, ends - window)
    return (sums[ends] - sums[begins]) / (ends - begins)


@contextmanager
def curves_figure(
    groups: dict[str, list[Run]], metrics: list[str], x: str, kind: str, window: int, title: str
) -> Iterator[Any]:
    """The figure: a panel for each metric, a curve for each group that has logged it."""
    with new_figure(len(metrics)) as (figure, panels):
        for metric, axes in zip(metrics, panels, strict=True):
            for i, (label, runs) in enumerate(groups.items()):
                curve = make_curve(runs, metric, x, kind, window)
                draw_curve(axes, curve, f"{label} ({_count(len(runs))})", i, x)
            axes.set(xlabel=X_LABELS[x], ylabel=metric_label(metric))
            axes.xaxis.set_major_formatter(thousands)
        add_title(figure, title)
        add_legend(figure, panels[0], what_is_drawn(groups, kind, window))
        yield figure


def draw_curve(axes: Any, curve: Curve, label: str, i: int, x: str) -> None:
    """The estimate as a line, its interval as a band; a few single runs as thin lines."""
    places = curve.x / 60 if x == "time" else curve.x
    if 1 < len(curve.runs) <= MAX_THIN_LINES:
        axes.plot(places, curve.runs.T, color=colour(i), alpha=0.25, linewidth=0.8)
    axes.fill_between(places, curve.low, curve.high, color=colour(i), alpha=0.18, linewidth=0)
    style = {"color": colour(i), "linestyle": line(i), "linewidth": 1.8}
    style["marker"] = "o" if len(places) == 1 else ""
    axes.plot(places, curve.middle, label=label, **style)


def metric_label(metric: str) -> str:
    """A metric in words, where there are any."""
    return METRIC_LABELS.get(metric, metric)


def what_is_drawn(groups: dict[str, list[Run]], kind: str, window: int) -> str:
    """What line and band are, in words."""
    words = []
    if max(len(runs) for runs in groups.values()) > 1:
        band = interval_in_words(len(runs) for runs in groups.values())
        words.append(f"line: {ESTIMATES[kind]} over runs\nband: its {band}")
    words.append(f"each point the mean of {window}" if window > 1 else "not smoothed")
    return "; ".join(words)


def _count(num_runs: int) -> str:
    return f"{num_runs} run{'s' if num_runs > 1 else ''}"
