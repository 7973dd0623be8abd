"""Which configurations are tried."""

import numpy as np
import pytest

from hw.studies.search import grid_points, make_search
from hw.studies.sweep_file import Sweep


def test_a_grid_is_every_combination_with_the_last_key_fastest():
    assert grid_points({"a": [1, 2], "b": ["x", "y"]}) == [
        {"a": 1, "b": "x"},
        {"a": 1, "b": "y"},
        {"a": 2, "b": "x"},
        {"a": 2, "b": "y"},
    ]


def test_a_random_configuration_depends_on_its_number_alone_and_keeps_its_bounds():
    space = {
        "rate": {"low": 1e-5, "high": 1e-1, "log": True},
        "size": {"low": 2, "high": 4},
        "kind": ["a", "b"],
    }
    first, second = (make_search(Sweep(base={}, random=space, num_configs=500)) for _ in "ab")
    drawn = [first.propose(number) for number in range(500)]
    assert [second.propose(number) for number in reversed(range(500))] == drawn[::-1]
    rates = np.array([settings["rate"] for settings in drawn])
    assert rates.min() >= 1e-5
    assert rates.max() <= 1e-1
    assert np.mean(rates < 1e-3) == pytest.approx(0.5, abs=0.1)  # half of the decades
    assert {settings["size"] for settings in drawn} == {2, 3, 4}
    assert {settings["kind"] for settings in drawn} == {"a", "b"}


def tpe(num_configs=40):
    pytest.importorskip("optuna")
    space = {"x": {"low": -5.0, "high": 5.0}, "kind": ["good", "bad"]}
    return make_search(Sweep(base={}, tpe=space, num_configs=num_configs))


def score(settings):
    return -((settings["x"] - 2) ** 2) - (5 if settings["kind"] == "bad" else 0)


def test_tpe_gathers_where_scores_are_high():
    search = tpe()
    scores = []
    for number in range(search.num_configs):
        settings = search.propose(number)
        scores.append(score(settings))
        search.tell(number, settings, scores[-1])
    assert np.mean(scores[-10:]) > np.mean(scores[:10]) + 3
    assert max(scores) > -0.5


def test_tpe_goes_on_after_being_told_of_a_study_that_was_interrupted():
    first, second = tpe(), tpe()
    told = {}
    for number in range(15):
        told[number] = first.propose(number)
        first.tell(number, told[number], None if number == 3 else score(told[number]))
    for number, settings in told.items():
        second.tell(number, settings, None if number == 3 else score(settings))
    assert second.propose(15) == first.propose(15)
