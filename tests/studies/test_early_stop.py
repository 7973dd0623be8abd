"""Successive halving: where the rungs are, and who goes on."""

from hw.studies.early_stop import Rungs
from hw.studies.study import Study
from hw.studies.trial import read_outcome

RUNGS = Rungs(first_step=100, factor=3)


def test_rungs_stand_at_powers_of_the_factor():
    assert RUNGS.up_to(99) == []
    assert RUNGS.up_to(900) == [100, 300, 900]


def test_only_who_reaches_the_upper_third_of_those_before_goes_on(tmp_path):
    def goes_on(name, value):
        return RUNGS.goes_on(100, value, tmp_path, name)

    assert goes_on("a", 0.0)  # nobody to compare with
    assert goes_on("b", 1.0)
    assert not goes_on("c", 0.5)  # the quantile of 0 and 1 is 0.67
    assert goes_on("d", 1.0)


def test_a_trial_that_comes_to_a_rung_again_is_told_the_same(tmp_path):
    assert RUNGS.goes_on(100, 5.0, tmp_path, "a")
    assert not RUNGS.goes_on(100, 4.0, tmp_path, "b")
    assert not RUNGS.goes_on(120, 9.0, tmp_path, "b")
    assert len(list((tmp_path / "100").glob("*.json"))) == 2


def test_a_study_stops_what_lags_behind_and_lets_the_rest_finish(sweep_file, make_study, run_all):
    # One trial at a time; with a rate of 1e-9 nothing is learned, so the notes fall behind.
    path = sweep_file(
        grid={"max_episode_steps": [50, 5]},
        early_stop={"first_step": 100, "factor": 2},
    )
    study: Study = make_study(path)
    study.create()
    from hw.studies.local_backend import LocalBackend

    run_all(study, LocalBackend(1))
    long, short = (read_outcome(trial) for trial in study.trials())
    assert (long.status, long.steps) == ("finished", 256)
    assert (short.status, short.steps) == ("stopped_early", 128)
    assert short.score is not None
