"""How a study's score depends on its hyperparameters: table, heatmap, share of each one."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from hw.infrastructure.errors import UserError
from hw.studies.figure_style import add_title, colour, new_figure
from hw.studies.statistics import main_effects, noise_shares
from hw.studies.trials_table import TrialRow

MAX_LEVEL = 6  # values whose names fit beside one another


@dataclass(frozen=True)
class Grid:
    """Scores on a full grid, each the mean over seeds.

    Args:
        axes: hyperparameter -> its values, ascending.
        scores: one axis for each hyperparameter.
        num_failed: trials that have no score, and are in no mean.
    """

    axes: dict[str, list[Any]]
    scores: np.ndarray
    num_failed: int = 0

    def noise(self) -> dict[str, float]:
        """What `shares` would be, on average, if nothing had any influence."""
        return dict(zip(self.axes, noise_shares(self.scores.shape), strict=True))

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


@dataclass(frozen=True)
class ConfigScores:
    """What the seeds of one configuration have reached.

    Args:
        settings: the swept ones.
        scores: of the trials that have one.
        num_failed, num_stopped: trials that failed, and of those with a score, that were stopped
            early.
    """

    settings: dict[str, Any]
    scores: list[float]
    num_failed: int
    num_stopped: int

    @property
    def rank(self) -> tuple[bool, float]:
        """Smaller is better: by the mean, but those of which a seed failed come last."""
        return self.num_failed > 0, -float(np.mean(self.scores))

    def __str__(self) -> str:
        text = f"{np.mean(self.scores):.1f}"
        if len(self.scores) > 1:
            text += f" ({', '.join(f'{score:.0f}' for score in self.scores)})"
        if self.num_stopped:
            text += f", {self.num_stopped} stopped early"
        return f"{text}, {self.num_failed} failed" if self.num_failed else text


def config_scores(rows: list[TrialRow]) -> list[ConfigScores]:
    """The configurations of which a trial has a score."""
    rows_of = defaultdict(list)
    for row in rows:
        rows_of[row.config].append(row)
    found = [
        ConfigScores(
            settings=of_config[0].settings,
            scores=[row.score for row in of_config if row.score is not None],
            num_failed=sum(row.score is None for row in of_config),
            num_stopped=sum(row.status == "stopped_early" for row in of_config),
        )
        for of_config in rows_of.values()
    ]
    return [config for config in found if config.scores]


def make_grid(rows: list[TrialRow]) -> Grid:
    """The study's grid.

    Raises:
        UserError: it is none, or has holes.
    """
    configs = [
        ({key: _plain(value) for key, value in config.settings.items()}, np.mean(config.scores))
        for config in config_scores(rows)
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
    return Grid(axes, scores, num_failed=sum(row.score is None for row in rows))


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
        failed = f"{grid.num_failed} trials failed and are in no mean" if grid.num_failed else ""
        add_title(figure, "\n".join(filter(None, [title, failed])))
        yield figure


def panels_of(grid: Grid) -> list[str]:
    """What there is to draw: of one hyperparameter, its means alone."""
    return list(PANELS) if len(grid.axes) > 1 else ["means"]


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
    """Variance explained by each, and what is left; a line where noise alone would end."""
    shares = grid.shares()
    noise = grid.noise()
    rest = max(0.0, 1 - sum(shares.values()))
    bars = {**shares, "interactions\nand noise": rest}
    axes.barh(range(len(bars)), list(bars.values()), color=["#0072B2"] * len(shares) + ["0.7"])
    for i, (key, share) in enumerate(bars.items()):
        axes.text(max(share, noise.get(key, 0)) + 0.02, i, f"{share:.0%}", va="center")
    for i, key in enumerate(shares):
        label = "noise alone" if i == 0 else None
        axes.plot([noise[key]] * 2, [i - 0.4, i + 0.4], ":", color="0.1", label=label)
    axes.legend(loc="lower right")
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
    ranked = sorted(config_scores(rows), key=lambda config: config.rank)
    if not ranked:
        raise UserError("no trial has a score")
    places = list(range(1, len(ranked) + 1))
    if len(ranked) > 2 * num_shown:
        kept = [*range(num_shown), *range(len(ranked) - num_shown, len(ranked))]
        ranked, places = [ranked[i] for i in kept], [places[i] for i in kept]
    keys = list(ranked[0].settings)
    cells = [
        [str(place), *(_text(config.settings[key]) for key in keys), str(config)]
        for place, config in zip(places, ranked, strict=True)
    ]
    return ["", *keys, score_name], cells


def shares_rows(grid: Grid) -> tuple[list[str], list[list[str]]]:
    """Each hyperparameter's share, and noise's, as a table's head and rows.

    Raises:
        UserError: there is one hyperparameter only, which explains everything.
    """
    if len(grid.axes) < 2:
        raise UserError("shares need two hyperparameters or more")
    tables = [grid.shares(), grid.noise()]
    for table in tables:
        table["interactions and noise"] = max(0.0, 1 - sum(table.values()))
    shares, noise = tables
    cells = [[key, f"{shares[key]:.0%}", f"{noise[key]:.0%}"] for key in shares]
    return ["hyperparameter", "share of the variance", "of noise alone"], cells


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
