"""How a study's score depends on its hyperparameters: table, heatmap, share of each one."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from hw.infrastructure.errors import UserError
from hw.studies.figure_style import add_title, colour, new_figure
from hw.studies.statistics import main_effects
from hw.studies.trials_table import TrialRow

MAX_LEVEL = 6  # values whose names fit beside one another


@dataclass(frozen=True)
class Grid:
    """Scores on a full grid, each the mean over seeds.

    Args:
        axes: hyperparameter -> its values, ascending.
        scores: one axis for each hyperparameter.
    """

    axes: dict[str, list[Any]]
    scores: np.ndarray

    def shares(self) -> dict[str, float]:
        """The part of the variance that each explains by itself, largest first."""
        shares = dict(zip(self.axes, main_effects(self.scores), strict=True))
        return dict(sorted(shares.items(), key=lambda item: -item[1]))

    def over(self, *keys: str) -> np.ndarray:
        """The scores over these hyperparameters, averaged over the others."""
        names = list(self.axes)
        others = tuple(i for i, name in enumerate(names) if name not in keys)
        kept = [name for name in names if name in keys]
        return np.transpose(self.scores.mean(axis=others), [kept.index(key) for key in keys])


def config_scores(rows: list[TrialRow]) -> dict[int, tuple[dict[str, Any], list[float]]]:
    """Configuration -> its settings and the scores of its seeds; failed trials have none."""
    found: dict[int, tuple[dict[str, Any], list[float]]] = {}
    for row in rows:
        _, scores = found.setdefault(row.config, (row.settings, []))
        if row.score is not None:
            scores.append(row.score)
    return found


def make_grid(rows: list[TrialRow]) -> Grid:
    """The study's grid.

    Raises:
        UserError: it is none, or has holes.
    """
    configs = [
        ({key: _plain(value) for key, value in settings.items()}, np.mean(scores))
        for settings, scores in config_scores(rows).values()
        if scores
    ]
    if not configs:
        raise UserError("no trial has a score")
    axes = {key: _ascending([settings[key] for settings, _ in configs]) for key in configs[0][0]}
    sizes = [len(values) for values in axes.values()]
    if math.prod(sizes) > len(configs):
        raise UserError("sensitivity needs a full grid: some combinations have no score")
    scores = np.full(sizes, np.nan)
    for settings, score in configs:
        scores[tuple(axes[key].index(settings[key]) for key in axes)] = score
    if np.isnan(scores).any():
        raise UserError("sensitivity needs a full grid: some combinations have no score")
    return Grid(axes, scores)


@contextmanager
def sensitivity_figure(
    grid: Grid, score_name: str, title: str, panels: Sequence[str] | None = None
) -> Iterator[Any]:
    """A heatmap over the first two hyperparameters, the mean at each value, and each one's share.

    Args:
        grid: the scores.
        score_name: for labels.
        title: of the figure.
        panels: of `panels_of(grid)`; None draws all.
    """
    panels = panels or panels_of(grid)
    with new_figure(len(panels), width=4.4) as (figure, axes):
        for panel, each in zip(panels, axes, strict=True):
            PANELS[panel](each, grid, score_name)
        add_title(figure, title)
        yield figure


def panels_of(grid: Grid) -> list[str]:
    """What there is to draw: a heatmap takes two hyperparameters."""
    return [name for name in PANELS if name != "heatmap" or len(grid.axes) > 1]


def draw_heatmap(axes: Any, grid: Grid, score_name: str) -> None:
    """Mean score by the first two hyperparameters of the sweep's file, written into its cells."""
    row_key, column_key, *_ = grid.axes
    means = grid.over(row_key, column_key)
    image = axes.imshow(means, cmap="cividis", aspect="auto")
    for (i, j), mean in np.ndenumerate(means):
        is_dark = (mean - means.min()) < 0.55 * max(float(np.ptp(means)), 1e-9)
        axes.text(j, i, f"{mean:.0f}", ha="center", va="center", color="w" if is_dark else "k")
    axes.set_xticks(range(means.shape[1]), [_text(v) for v in grid.axes[column_key]])
    axes.set_yticks(range(means.shape[0]), [_text(v) for v in grid.axes[row_key]])
    others = [key for key in grid.axes if key not in (row_key, column_key)]
    averaged = f"\naveraged over {', '.join(others)}" if others else ""
    axes.set(xlabel=column_key, ylabel=row_key, title=f"{score_name}{averaged}")
    axes.grid(visible=False)
    axes.figure.colorbar(image, ax=axes, shrink=0.8)


def draw_means(axes: Any, grid: Grid, score_name: str) -> None:
    """For each hyperparameter, beside one another, the mean at each of its values."""
    ticks, labels = [], []
    for i, (key, values) in enumerate(grid.axes.items()):
        places = [len(ticks) + i + n for n in range(len(values))]  # a gap after each
        axes.plot(places, grid.over(key), "o-", color=colour(i), label=key)
        ticks += places
        labels += [_text(value) for value in values]
    axes.set_xticks(ticks, labels, fontsize=8, rotation=45 if len(ticks) > MAX_LEVEL else 0)
    axes.set(ylabel=f"{score_name}, averaged over the others", title="each value by itself")
    axes.margins(y=0.1)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)


def draw_shares(axes: Any, grid: Grid, score_name: str) -> None:
    """Variance explained by each, and what is left."""
    shares = grid.shares()
    rest = max(0.0, 1 - sum(shares.values()))
    bars = {**shares, "interactions\nand noise": rest}
    axes.barh(range(len(bars)), list(bars.values()), color=["#0072B2"] * len(shares) + ["0.7"])
    for i, share in enumerate(bars.values()):
        axes.text(share + 0.01, i, f"{share:.0%}", va="center")
    axes.set_yticks(range(len(bars)), list(bars))
    axes.set(xlim=(0, 1.1), xlabel=f"share of the variance of the {score_name}", title="importance")
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)


PANELS = {"heatmap": draw_heatmap, "means": draw_means, "importance": draw_shares}


def ranking_rows(
    rows: list[TrialRow], num_shown: int, score_name: str
) -> tuple[list[str], list[list[str]]]:
    """The best and the worst configurations, as a table's head and rows.

    Raises:
        UserError: no trial has a score.
    """
    configs = [item for item in config_scores(rows).values() if item[1]]
    ranked = sorted(configs, key=lambda item: -float(np.mean(item[1])))
    if not ranked:
        raise UserError("no trial has a score")
    places = list(range(1, len(ranked) + 1))
    if len(ranked) > 2 * num_shown:
        kept = [*range(num_shown), *range(len(ranked) - num_shown, len(ranked))]
        ranked, places = [ranked[i] for i in kept], [places[i] for i in kept]
    keys = list(ranked[0][0])
    cells = [
        [str(place), *(_text(settings[key]) for key in keys), _scores(scores)]
        for place, (settings, scores) in zip(places, ranked, strict=True)
    ]
    return ["", *keys, score_name], cells


def shares_rows(grid: Grid) -> tuple[list[str], list[list[str]]]:
    """Each hyperparameter's share, as a table's head and rows."""
    shares = grid.shares()
    shares["interactions and noise"] = max(0.0, 1 - sum(shares.values()))
    cells = [[key, f"{share:.0%}"] for key, share in shares.items()]
    return ["hyperparameter", "share of the variance"], cells


def _scores(scores: list[float]) -> str:
    mean = f"{np.mean(scores):.1f}"
    return mean if len(scores) == 1 else f"{mean} ({', '.join(f'{score:.0f}' for score in scores)})"


def _ascending(values: list[Any]) -> list[Any]:
    """Each once: numbers by size, other things in their order."""
    distinct = list(dict.fromkeys(values))
    is_number = all(isinstance(value, int | float) for value in distinct)
    return sorted(distinct) if is_number else distinct


def _plain(value: Any) -> Any:
    """Lists and mappings as text, which can be told apart and written down."""
    return str(value) if isinstance(value, list | dict) else value


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
