"""Bands around what the reference's runs came to, and what is said of a run outside them."""

import dataclasses
import json
import math
from pathlib import Path

import pytest

from hw.env_configs.loading import load_config
from hw.homework.learning_check import (
    RETURN,
    Band,
    Reference,
    judge,
    load_reference,
    return_curve,
    rows_of_steps,
    save_reference,
    widened,
)
from hw.infrastructure.errors import EnvError, TrainingError, UserError
from hw.infrastructure.trainer import Trainer
from hw.scripts import learn

IDS = sorted(path.stem for path in Path("experiments/learning").glob("*.yaml"))
FALLS = [{"step": step, RETURN: 500.0 - step} for step in (100, 200, 300, 400)]
BAND = Band(
    name="evaluation return",
    metric=RETURN,
    statistic="mean",
    first_step=200,
    last_step=300,
    if_low="Look at the loss.",
    if_high="Look at the rewards.",
    low=200.0,
    high=300.0,
)


def band(**changes):
    return dataclasses.replace(BAND, **changes)


def reference(*bands):
    return Reference(list(bands), {}, {})


@pytest.mark.parametrize(
    ("statistic", "number"), [("mean", 250.0), ("lowest", 200.0), ("highest", 300.0)]
)
def test_a_number_sums_up_the_rows_from_the_first_step_to_the_last(statistic, number):
    assert band(statistic=statistic).measure(FALLS) == number


def test_what_is_absent_or_not_finite_does_not_count():
    rows = [{"step": 200, RETURN: None}, {"step": 250}, {"step": 300, RETURN: 7.0}]
    assert BAND.measure([*rows, {"step": 300, RETURN: math.inf}]) == 7.0
    assert math.isnan(BAND.measure(rows[:2]))


def test_limits_belong_to_the_band_and_rounding_is_forgiven():
    exact = band(low=1.0, high=1.0)
    assert exact.holds(1.0)
    assert exact.holds(1.0 - 1e-9)
    assert not exact.holds(0.999)
    assert not exact.holds(math.nan)
    assert not band().holds(math.nan)


def test_the_limits_are_quantiles_moved_out_by_their_distance():
    numbers = list(range(101))  # q05 = 5, q95 = 95
    assert widened(band(), numbers) == pytest.approx((-85.0, 185.0))
    assert widened(band(slack=100.0), numbers) == pytest.approx((-95.0, 195.0))


def test_no_seed_of_the_reference_is_outside():
    assert widened(band(), [1.0] * 100 + [50.0]) == pytest.approx((1.0, 50.0))
    assert widened(band(), [1.0] * 100 + [-9.0]) == pytest.approx((-9.0, 1.0))


def test_there_is_no_limit_where_nothing_would_be_wrong():
    numbers = list(range(101))
    assert widened(band(if_high=""), numbers) == (pytest.approx(-85.0), math.inf)
    assert widened(band(if_low=""), numbers) == (-math.inf, pytest.approx(185.0))
    assert band(high=math.inf).holds(1e9)
    assert band(high=math.inf).limits == "200 or more"
    assert band(low=-math.inf).limits == "300 or less"


def test_on_a_logarithmic_scale_limits_move_by_a_ratio():
    numbers = [math.exp(i) for i in range(101)]
    low, high = widened(band(scale="log"), numbers)
    assert (math.log(low), math.log(high)) == pytest.approx((-85.0, 185.0))
    assert widened(band(scale="log", slack=2.0), [8.0] * 20) == pytest.approx((4.0, 16.0))


@pytest.mark.parametrize("numbers", [[1.0, math.nan], [1.0, -1.0]])
def test_a_band_cannot_be_made_of_anything(numbers):
    with pytest.raises(ValueError, match="evaluation return"):
        widened(band(scale="log"), numbers)


def test_a_run_inside_all_bands_is_good():
    verdict = judge(FALLS, reference(BAND, band(name="another")))
    assert verdict.is_good
    assert "evaluation return, another" in verdict.line


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"low": 260.0, "high": 300.0}, "too low by step 300"),
        ({"low": 600.0, "high": 700.0}, "never rises (best 400)"),
        ({"low": 100.0, "high": 240.0}, "suspiciously high by step 300"),
        ({"metric": "critic/loss"}, "there is no finite critic/loss from step 200 to 300"),
    ],
)
def test_one_line_says_what_is_off_and_what_to_look_at(changes, words):
    verdict = judge(FALLS, reference(band(**changes)))
    assert not verdict.is_good
    assert words in verdict.line
    assert verdict.line.endswith("rewards." if "high" in words else "loss.")
    assert "\n" not in verdict.line


def test_the_first_missed_band_is_explained_and_the_others_named():
    low = band(low=260.0)
    line = judge(FALLS, reference(BAND, low, band(name="Q-values", low=999.0))).line
    assert line.startswith("evaluation return too low")
    assert line.endswith("Also off: Q-values.")


def step_of(before, after, step, dones, truncateds):
    arrays = {"observations": before, "next_observations": after}
    raw = {f"raw_{name}": value for name, value in arrays.items()}
    flags = {"dones": dones, "truncateds": truncateds, "rewards": [1.0] * len(dones)}
    return {"step": step, **arrays, **raw, **flags}


def test_steps_are_summed_up_by_interval():
    steps = [
        step_of([[1.0], [1.0]], [[2.0], [3.0]], 2, [False, True], [False, False]),
        step_of([[2.0], [0.0]], [[5.0], [1.0]], 4, [False, False], [True, False]),
        step_of([[5.0], [9.0]], [[6.0], [2.0]], 6, [False, False], [False, False]),
    ]
    first, second = rows_of_steps(steps, 4), rows_of_steps(steps, 6)
    assert [row["step"] for row in first] == [4]
    assert first[0]["steps/done_share"] == 0.25
    assert first[0]["steps/truncated_share"] == 0.25
    assert first[0]["steps/observation_mean"] == 1.0
    assert first[0]["steps/observation_square"] == (4 + 9 + 25 + 1) / 4
    assert first[0]["steps/continued_share"] == 1.0
    # The episode that was truncated goes on, and the other begins anew for no reason.
    assert second[0]["steps/continued_share"] == 0.5
    assert "steps/shifted_share" not in first[0]


def test_stacks_have_to_move_on_by_a_frame():
    right = step_of([[[1.0], [2.0]]], [[[2.0], [3.0]]], 1, [False], [False])
    wrong = step_of([[[2.0], [3.0]]], [[[4.0], [3.0]]], 2, [False], [False])
    (row,) = rows_of_steps([right, wrong], 2)
    assert row["steps/shifted_share"] == 0.5


def test_the_curve_is_of_the_steps_that_all_runs_have():
    runs = [[{"step": 1, RETURN: float(i)}, {"step": i, RETURN: 0.0}] for i in range(2, 13)]
    assert return_curve(runs) == {1: pytest.approx((2.5, 11.5))}


def test_bands_are_read_as_they_were_written(tmp_path):
    bands = [BAND, band(if_high="", high=math.inf)]
    written = Reference(bands, {100: (1.0, 2.0)}, {"seeds": [1, 20]})
    save_reference(tmp_path / "a.json", written)
    assert load_reference(tmp_path / "a.json") == written
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(UserError, match="a.json"):
        load_reference(tmp_path / "a.json")
    with pytest.raises(UserError, match="nothing.json"):
        load_reference(tmp_path / "nothing.json")


@pytest.mark.parametrize("assignment", IDS)
def test_every_assignment_has_measured_bands_within_its_run(assignment):
    found = load_reference(learn.FOLDER / f"{assignment}.json")
    total_steps = load_config(learn.FOLDER / f"{assignment}.yaml").values["total_steps"]
    first_seed, last_seed = found.measured["seeds"]
    assert last_seed - first_seed >= 19
    assert max(found.curve) == total_steps
    assert any(entry.metric == RETURN for entry in found.bands)
    for entry in found.bands:
        assert entry.low <= entry.high
        assert math.isfinite(entry.low) == bool(entry.if_low)
        assert math.isfinite(entry.high) == bool(entry.if_high)
        assert 0 <= entry.first_step <= entry.last_step <= total_steps


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A hand-out whose learning check is 400 random steps."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "assignment.json").write_text('{"assignment": "tiny"}')
    learn.FOLDER.mkdir(parents=True)
    (learn.FOLDER / "tiny.yaml").write_text(
        "base_config: random\nenv_name: CartPole-v1\ntotal_steps: 400\neval_interval: 200\n"
    )
    save_reference(
        learn.FOLDER / "tiny.json", Reference([band(last_step=400)], {200: (10.0, 40.0)}, {})
    )
    return tmp_path


def test_a_run_is_trained_and_judged(folder, capsys):
    assert learn.main(["--seed", "3"]) == 1
    output = capsys.readouterr().out.splitlines()
    assert output[-1].startswith("off: evaluation return never rises")
    assert any(line.startswith("200: ") and line.endswith(" (10 to 40)") for line in output)
    (run_dir,) = Path("data").iterdir()
    assert "seed3" in run_dir.name
    save_reference(learn.FOLDER / "tiny.json", reference(band(low=5.0, last_step=400)))
    assert learn.main([]) == 0
    assert "\nok: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            NotImplementedError("TODO(tiny.Thing.do): write what the docstring says"),
            "off: TODO(tiny.Thing.do) is not written yet; `make test` shows what is",
        ),
        (
            EnvError("environment 0: NotImplementedError: TODO(tiny.Thing.do): ...\n  Traceback"),
            "off: TODO(tiny.Thing.do) is not written yet; `make test` shows what is",
        ),
        (TrainingError("critic/loss is nan at step 7"), "off: critic/loss is nan at step 7"),
    ],
)
def test_a_blank_and_a_run_that_breaks_off_take_one_line(folder, capsys, monkeypatch, error, line):
    def run_step(trainer):
        raise error

    monkeypatch.setattr(Trainer, "run_step", run_step)
    assert learn.main([]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == line


def test_it_has_to_be_run_in_a_hand_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"assignment\.json"):
        learn.main([])
    Path("assignment.json").write_text(json.dumps({"assignment": "tiny"}))
    with pytest.raises(UserError, match=r"tiny\.json"):
        learn.main([])
