"""Studies on this machine: complete, repeatable, and whole again after a kill."""

import csv
import os
import signal
import subprocess
import sys
import time

import pytest

from hw.infrastructure.errors import ConfigError, UserError
from hw.studies.study import take_in
from hw.studies.trial import Outcome, read_outcome, write_outcome


def table(study):
    with (study.directory / "trials.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_configuration_runs_with_every_seed_into_a_tidy_table(
    sweep_file, make_study, run_all
):
    study = make_study(sweep_file(seeds=[1, 2]))
    study.create()
    run_all(study)
    rows = table(study)
    assert [(row["config"], row["learning_rate"], row["seed"]) for row in rows] == [
        ("0", "0.001", "1"),
        ("0", "0.001", "2"),
        ("1", "0.01", "1"),
        ("1", "0.01", "2"),
    ]
    assert {row["status"] for row in rows} == {"finished"}
    assert {row["steps"] for row in rows} == {"256"}
    assert all(float(row["score"]) == float(row["eval_return"]) for row in rows)
    assert all((study.directory / row["run"] / "config.yaml").exists() for row in rows)


def test_a_trial_that_fails_is_reported_and_the_rest_go_on(sweep_file, make_study, run_all, capsys):
    study = make_study(sweep_file(grid={"learning_rate": [1e30, 0.001]}))
    study.create()
    assert run_all(study).num_failed == 1
    failed, finished = table(study)
    assert failed["status"] == "failed"
    assert "critic/loss is inf" in failed["error"]
    assert finished["status"] == "finished"
    assert "failed: 0000  learning_rate=1e+30" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"grid": {"learning_rat": [1]}},
            "learning_rat: unknown key; did you mean 'learning_rate'",
        ),
        ({"grid": {"learning_rate": [0.1, -1]}}, "with learning_rate=-1: learning_rate: "),
        ({"set": {"discont": 1}}, "discont: unknown key; did you mean 'discount'"),
        ({"grid": {"batch_size": [64, 60]}}, "with batch_size=60: batch_size: is 60"),
    ],
)
def test_a_wrong_setting_is_named_before_anything_is_written(
    sweep_file, make_study, changes, message
):
    study = make_study(sweep_file(**changes))
    with pytest.raises(ConfigError) as error:
        study.create()
    assert message in str(error.value)
    assert not study.directory.exists()


def test_a_study_is_not_begun_twice_and_not_resumed_as_another(sweep_file, make_study):
    make_study(sweep_file()).create()
    with pytest.raises(UserError, match="--resume finishes it"):
        make_study(sweep_file()).create()
    with pytest.raises(UserError, match="of another sweep"):
        make_study(sweep_file(seeds=[5])).load()
    with pytest.raises(UserError, match="no study to resume"):
        make_study(sweep_file(), name="none").load()


def sweep_command(path, tmp_path, *flags):
    return [
        *(sys.executable, "hw/scripts/sweep.py", "-cfg", str(path)),
        *("--data_dir", str(tmp_path / "data"), "--jobs", "2", *flags),
    ]


def wait_until(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_sweep_that_is_killed_is_finished_by_resume_and_no_trial_runs_twice(
    sweep_file, make_study, run_all, metrics, tmp_path, number
):
    long = {"total_steps": 8192, "eval_interval": 8192, "checkpoint_interval": 512}
    path = sweep_file(set=long, seeds=[1, 2])
    killed = make_study(path, name="data/tiny")
    process = subprocess.Popen(sweep_command(path, tmp_path))
    outcomes = killed.directory / "outcomes"
    wait_until(lambda: list(outcomes.glob("*.json")))
    wait_until(lambda: list(killed.directory.glob("runs/0001_*/checkpoints/*.npz")))
    os.kill(process.pid, number)
    process.wait()
    before = {path.name: path.stat().st_mtime_ns for path in outcomes.glob("*.json")}
    assert 0 < len(before) < 4
    subprocess.run(sweep_command(path, tmp_path, "--resume"), check=True)
    killed.load()
    assert all(read_outcome(trial).status == "finished" for trial in killed.trials())
    after = {path.name: path.stat().st_mtime_ns for path in outcomes.glob("*.json")}
    assert before.items() <= after.items()

    whole = make_study(path, name="whole")
    whole.create()
    run_all(whole)
    assert metrics(killed) == metrics(whole)


def test_a_worker_that_is_killed_goes_on_from_its_checkpoint(
    sweep_file, make_study, run_all, metrics, monkeypatch
):
    path = sweep_file(set={"total_steps": 2048, "eval_interval": 2048})
    whole, killed = make_study(path, "whole"), make_study(path, "killed")
    whole.create()
    run_all(whole)
    killed.create()

    from hw.studies.local_backend import LocalBackend

    backend = LocalBackend(1)
    is_killed = []

    def kill_once(tasks, timeout):
        checkpoints = killed.directory.glob("runs/0000_seed1/checkpoints/*.npz")
        if not is_killed and list(checkpoints):
            (process,) = backend.supervisor.processes
            os.kill(process.pid, signal.SIGKILL)
            is_killed.append(True)
        return LocalBackend.wait(backend, tasks, 0.01)

    monkeypatch.setattr(backend, "wait", kill_once)
    run_all(killed, backend)
    assert is_killed
    assert metrics(killed) == metrics(whole)
    config = (killed.directory / "runs/0000_seed1/config.yaml").read_text(encoding="utf-8")
    assert config.count("command:") == 2  # sessions of the run


def test_the_search_is_told_of_a_configuration_once(sweep_file, make_study):
    """Both seeds may have ended before either is looked at."""
    study = make_study(sweep_file(seeds=[1, 2]))
    study.create()
    told = []
    study.search.tell = lambda number, *_: told.append(number)
    trials = list(study.missing())[:2]
    for trial in trials:
        write_outcome(trial, Outcome("finished", score=1.0))
    for trial in trials:
        take_in(study, trial, error="")
    assert told == [0]
