"""Final scores of groups of runs: intervals, performance profiles, who beats whom, tables."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from typing import Any

import numpy as np

from hw.studies.figure_style import add_legend, add_title, colour, line, new_figure
from hw.studies.runs import Run
from hw.studies.statistics import (
    ESTIMATES,
    estimate,
    interval,
    interval_in_words,
    performance_profile,
    probability_of_improvement,
)

NUM_THRESHOLDS = 101
MAX_PAIRED = 4  # groups of which each pair is compared


def final_scores(groups: dict[str, list[Run]], metric: str, num_last: int) -> dict[str, np.ndarray]:
    """For each group the scores of its runs: the mean of the last values of a metric."""
    return {
        label: np.array([run.final(metric, num_last) for run in runs])
        for label, runs in groups.items()
    }


@contextmanager
def comparison_figure(
    scores: dict[str, np.ndarray], kind: str, score_name: str, title: str
) -> Iterator[Any]:
    """Scores with intervals, performance profiles, and the probability that one beats another."""
    pairs = list(combinations(scores, 2)) if len(scores) <= MAX_PAIRED else []
    with new_figure(3 if pairs else 2, width=4.6) as (figure, panels):
        draw_scores(panels[0], scores, kind, score_name)
        draw_profiles(panels[1], scores, score_name)
        if pairs:
            draw_improvements(panels[2], scores, pairs)
        add_title(figure, title)
        what = interval_in_words(len(values) for values in scores.values())
        add_legend(figure, panels[1], f"bars and bands over runs: {what}")
        yield figure


def draw_scores(axes: Any, scores: dict[str, np.ndarray], kind: str, score_name: str) -> None:
    """Each run as a dot, the estimate with its interval above them."""
    for i, values in enumerate(scores.values()):
        middle = estimate(values[:, None], kind)[0]
        low, high = (end[0] for end in interval(values[:, None], kind))
        axes.plot(values, np.full(len(values), i - 0.18), "o", color=colour(i), alpha=0.45, ms=4)
        axes.plot(
            [low, high], [i, i], color=colour(i), linewidth=5, alpha=0.5, solid_capstyle="butt"
        )
        axes.plot([middle, middle], [i - 0.09, i + 0.09], color=colour(i), linewidth=3)
    axes.set_yticks(range(len(scores)), list(scores))
    axes.set(xlabel=f"{score_name}, {ESTIMATES[kind]}", ylim=(len(scores) - 0.5, -0.5))
    axes.grid(axis="y", visible=False)


def draw_profiles(axes: Any, scores: dict[str, np.ndarray], score_name: str) -> None:
    """For each threshold the fraction of runs above it."""
    everything = np.concatenate(list(scores.values()))
    margin = 0.05 * max(float(np.ptp(everything)), 1e-9)
    thresholds = np.linspace(everything.min() - margin, everything.max() + margin, NUM_THRESHOLDS)
    for i, (label, values) in enumerate(scores.items()):
        fractions, (low, high) = performance_profile(values, thresholds)
        axes.fill_between(thresholds, low, high, color=colour(i), alpha=0.15, linewidth=0)
        axes.plot(thresholds, fractions, color=colour(i), linestyle=line(i), label=label)
    axes.set(xlabel=f"{score_name} (t)", ylabel="fraction of runs above t", ylim=(-0.03, 1.03))


def draw_improvements(
    axes: Any, scores: dict[str, np.ndarray], pairs: list[tuple[str, str]]
) -> None:
    """For each pair how likely a run of the first beats one of the second."""
    for i, (first, second) in enumerate(pairs):
        middle, low, high = probability_of_improvement(scores[first], scores[second])
        axes.plot([low, high], [i, i], color="0.55", linewidth=5, solid_capstyle="butt")
        axes.plot([middle], [i], "D", color="0.1", ms=5)
    axes.axvline(0.5, color="0.5", linestyle=":", linewidth=1)
    axes.set_yticks(range(len(pairs)), [f"{a} > {b}" for a, b in pairs])
    axes.set(xlabel="probability of improvement", xlim=(-0.03, 1.03), ylim=(len(pairs) - 0.5, -0.5))
    axes.grid(axis="y", visible=False)


def scores_rows(
    scores: dict[str, np.ndarray], kind: str, score_name: str
) -> tuple[list[str], list[list[str]]]:
    """The same as a table's head and rows, best first."""
    rows = []
    for label, values in scores.items():
        middle = estimate(values[:, None], kind)[0]
        low, high = (end[0] for end in interval(values[:, None], kind))
        ends = "one run" if np.isnan(low) else f"[{low:.1f}, {high:.1f}]"
        spread = f"{values.std(ddof=1):.1f}" if len(values) > 1 else ""
        rows.append((middle, f"{middle:.1f}", ends, spread, str(len(values)), label))
    head = ["", f"{score_name}, {ESTIMATES[kind]}", "95 % interval", "standard deviation", "runs"]
    cells = [[row[-1], *row[1:-1]] for row in sorted(rows, key=lambda row: -row[0])]
    return head, cells


def markdown_table(head: list[str], rows: list[list[str]]) -> str:
    """A table; bars in cells are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    escaped = [[cell.replace("|", r"\|") for cell in cells] for cells in lines]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in escaped)
