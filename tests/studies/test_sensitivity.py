"""A study's grid, its ranking and its shares, from a table worked out by hand."""

import numpy as np
import pytest

from hw.infrastructure.errors import UserError
from hw.studies.sensitivity import Grid, make_grid, panels_of, ranking_rows, shares_rows
from hw.studies.trials_table import TrialRow


def row(config, rate, clip, score, seed=1):
    settings = {"rate": rate, "clip": clip}
    return TrialRow(config, settings, seed, "finished" if score else "failed", score, "")


ROWS = [
    row(0, 0.1, "low", 10.0),
    row(0, 0.1, "low", 14.0, seed=2),
    row(1, 0.1, "high", 20.0),
    row(2, 0.01, "low", 12.0),
    row(3, 0.01, "high", 20.0),
]


def test_a_grid_has_ascending_axes_and_means_over_seeds():
    grid = make_grid(ROWS)
    assert grid.axes == {"rate": [0.01, 0.1], "clip": ["low", "high"]}
    assert grid.scores.tolist() == [[12, 20], [12, 20]]
    assert grid.over("clip").tolist() == [12, 20]
    assert grid.over("clip", "rate").tolist() == [[12, 12], [20, 20]]
    assert grid.shares() == {"clip": 1.0, "rate": 0.0}
    assert shares_rows(grid)[1][0] == ["clip", "100%", "33%"]


def test_a_grid_with_a_hole_is_refused():
    with pytest.raises(UserError, match="needs a full grid"):
        make_grid(ROWS[:-1])
    with pytest.raises(UserError, match="no trial has a score"):
        make_grid([row(0, 0.1, "low", None)])


def test_the_ranking_shows_best_and_worst_with_their_places():
    rows = [row(i, i / 10, "low", float(i)) for i in range(1, 10)]
    head, cells = ranking_rows(rows, 2, "score")
    assert head == ["", "rate", "clip", "score"]
    assert cells == [
        ["1", "0.9", "low", "9.0"],
        ["2", "0.8", "low", "8.0"],
        ["8", "0.2", "low", "2.0"],
        ["9", "0.1", "low", "1.0"],
    ]
    assert ranking_rows(ROWS, 3, "score")[1][-1][-1] in ("12.0", "12.0 (10, 14)")


def test_a_configuration_of_which_a_seed_failed_ranks_last_and_says_so():
    rows = [row(0, 0.1, "low", 480.0), row(1, 0.2, "low", 500.0), row(1, 0.2, "low", None, seed=2)]
    stopped = TrialRow(2, {"rate": 0.3, "clip": "low"}, 1, "stopped_early", 90.0, "")
    _, cells = ranking_rows([*rows, stopped], 3, "score")
    assert [cell[-1] for cell in cells] == ["480.0", "90.0, 1 stopped early", "500.0, 1 failed"]
    assert make_grid(rows).num_failed == 1


def test_one_hyperparameter_has_no_share():
    grid = make_grid([row(0, 0.1, "low", 1.0), row(1, 0.2, "low", 2.0)])
    assert shares_rows(grid)[1][0] == ["rate", "100%", "100%"]
    alone = Grid({"rate": [1, 2]}, np.array([1.0, 2.0]))
    assert panels_of(alone) == ["means"]
    with pytest.raises(UserError, match="two hyperparameters"):
        shares_rows(alone)


def test_settings_may_be_lists_and_many():
    wrapped = [
        TrialRow(i, {"wrappers": wrappers, "rate": 0.1}, 1, "finished", float(i), "")
        for i, wrappers in enumerate(([], [{"clip_reward": {"low": -1, "high": 1}}]))
    ]
    assert make_grid(wrapped).axes["wrappers"] == [
        "[]",
        "[{'clip_reward': {'low': -1, 'high': 1}}]",
    ]
    apart = [
        TrialRow(i, {f"key{k}": i for k in range(40)}, 1, "finished", 1.0, "") for i in range(3)
    ]
    with pytest.raises(UserError, match="needs a full grid"):  # and no array of 3 ** 40 is made
        make_grid(apart)
