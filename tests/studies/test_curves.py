"""Reading runs, grouping them, and bringing their curves onto one axis."""

import json

import numpy as np
import pytest
import yaml

from hw.infrastructure.errors import UserError
from hw.studies.curves import align, make_curve, moving_mean
from hw.studies.runs import group_runs, lagging_runs, load_runs, telling_keys


@pytest.fixture
def run_dir(tmp_path):
    """Write a run's directory with these metrics."""

    def write(name, rows, **config):
        path = tmp_path / name
        path.mkdir()
        settings = {"base_config": "ppo", "env_name": "CartPole-v1", "seed": 1} | config
        (path / "config.yaml").write_text(yaml.safe_dump(settings))
        (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return write


ROWS = [
    {"step": 10, "eval/return_mean": 1.0, "time/seconds": 2.0, "train/num_episodes": 1},
    {"step": 20, "eval/return_mean": 3.0, "time/seconds": 4.0, "train/num_episodes": 5},
]


def test_a_moving_mean_looks_back_only():
    assert moving_mean(np.array([1.0, 2.0, 3.0, 5.0]), 2).tolist() == [1, 1.5, 2.5, 4]
    assert moving_mean(np.array([1.0, 2.0]), 1).tolist() == [1, 2]


def test_runs_logged_at_other_places_are_interpolated_where_all_of_them_are():
    series = [
        (np.array([0.0, 2, 4]), np.array([0.0, 2, 4])),
        (np.array([1.0, 3]), np.array([5.0, 7])),
    ]
    places, values = align(series)
    assert places.tolist() == [1, 3]
    assert values.tolist() == [[1, 3], [5, 7]]
    with pytest.raises(UserError, match="no stretch"):
        align([(np.array([0.0, 1]), np.zeros(2)), (np.array([2.0, 3]), np.zeros(2))])


def test_a_curve_is_over_steps_time_or_episodes(run_dir):
    (run,) = load_runs([run_dir("a", ROWS)])
    for x, places in (("steps", [10, 20]), ("time", [2, 4]), ("episodes", [1, 5])):
        curve = make_curve([run], "eval/return_mean", x, "mean", 1)
        assert curve.x.tolist() == places
        assert curve.middle.tolist() == [1, 3]
        assert np.isnan(curve.low).all()


def test_runs_are_grouped_by_what_differs_but_for_the_seed(run_dir):
    paths = [
        run_dir(f"{rate}_{seed}", ROWS, learning_rate=rate, seed=seed, exp_name=f"e{seed}")
        for rate in (0.1, 0.001)
        for seed in (1, 2)
    ]
    groups = group_runs(load_runs(paths))
    assert {label: len(runs) for label, runs in groups.items()} == {
        "learning_rate 0.1": 2,
        "learning_rate 0.001": 2,
    }
    assert len(group_runs(load_runs(paths), ["seed"])) == 2
    with pytest.raises(UserError, match="--by learning_rat: no run has this setting"):
        group_runs(load_runs(paths), ["learning_rat"])


def test_a_seed_that_is_there_twice_is_refused_and_a_path_named_twice_is_not(run_dir):
    first, again = (run_dir(name, ROWS, exp_name="e") for name in ("first", "again"))
    assert len(load_runs([first, first.parent / "again" / ".." / "first"])) == 1
    with pytest.raises(UserError, match=r"seed 1 is there twice, .*first and .*again; .* --by"):
        group_runs(load_runs([first, again]))
    assert len(group_runs(load_runs([first, again]), ["env_name"])) == 1
    named = [run_dir(name, ROWS, exp_name=name) for name in ("before", "after")]
    assert list(group_runs(load_runs(named))) == ["ppo before", "ppo after"]


def test_what_differs_within_an_algorithm_keeps_its_runs_apart_beside_another_algorithm(run_dir):
    runs = [
        run_dir(f"{name}{rate}{seed}", ROWS, base_config=name, learning_rate=rate, seed=seed)
        for name, rates in (("sac", (0.1, 0.001)), ("td3", (0.02,)))
        for rate in rates
        for seed in (1, 2)
    ]
    groups = group_runs(load_runs(runs))
    assert {label: len(members) for label, members in groups.items()} == {
        "sac, learning_rate 0.1": 2,
        "sac, learning_rate 0.001": 2,
        "td3, learning_rate 0.02": 2,
    }


def test_a_run_that_ended_before_the_others_is_named(run_dir):
    paths = [run_dir("short", ROWS[:1]), run_dir("long", ROWS, seed=2)]
    (text,) = lagging_runs(group_runs(load_runs(paths)), "eval/return_mean")
    assert text.endswith("short ends at step 10, the longest of 'ppo' at 20")


def test_what_is_smoothed_is_what_each_run_has_logged(run_dir):
    """A window of three takes in three episodes of each run, wherever they ended."""
    rows = [[{"step": s, "r": float(s >= 500)} for s in steps]
            for steps in (range(0, 1000, 4), range(3, 1003, 5))]  # fmt: skip
    runs = load_runs([run_dir(f"{i}", row, seed=i) for i, row in enumerate(rows)])
    curve = make_curve(runs, "r", "steps", "mean", 3)
    assert curve.middle[curve.x < 496].max() == 0.0
    assert curve.middle[curve.x > 516].min() == 1.0


def test_algorithms_are_told_apart_by_their_names(run_dir):
    paths = [
        run_dir("a", ROWS, clip_ratio=0.2),
        run_dir("b", ROWS, base_config="sac", temperature=0.1),
    ]
    assert list(group_runs(load_runs(paths))) == ["ppo", "sac"]


def test_no_more_settings_are_named_than_tell_groups_apart(run_dir):
    pairs = [(0.1, 2), (0.1, 3), (0.2, 2)]
    runs = load_runs(
        [run_dir(f"{a}_{b}", ROWS, clip_ratio=a, num_epochs=b, batch_size=b) for a, b in pairs]
    )
    assert telling_keys(runs, ["clip_ratio", "num_epochs", "batch_size"]) == [
        "clip_ratio",
        "num_epochs",
    ]


def test_a_table_of_curves_is_read_too_and_named_by_its_file(tmp_path):
    path = tmp_path / "td3.csv"
    path.write_text("seed,step,return_mean\n1,10,5\n1,20,6\n2,10,7\n2,20,8\n")
    groups = group_runs(load_runs([path]))
    curve = make_curve(groups["td3"], "eval/return_mean", "steps", "mean", 1)
    assert curve.middle.tolist() == [6, 7]


def test_a_metric_that_was_not_logged_and_a_path_that_is_no_run_are_named(run_dir, tmp_path):
    (run,) = load_runs([run_dir("a", ROWS)])
    with pytest.raises(UserError, match="holds no 'eval/retrun'; it holds eval/return_mean"):
        run.series("eval/retrun")
    with pytest.raises(UserError, match="neither a run, a study, nor a table"):
        load_runs([tmp_path / "nothing"])
