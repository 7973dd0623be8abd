"""What can go wrong around a run: it stops with one clear line, and nothing that was saved is lost.

A file system that is full, or read-only, is a small one in memory, which only root can mount.
"""

import contextlib
import json
import os
import pickle
import re
import subprocess
import sys

import pytest
import torch
import yaml

from hw.infrastructure.checkpoint import list_states, load_state
from hw.infrastructure.errors import ConfigError, StorageError, UserError
from hw.infrastructure.run_dir import locked
from hw.infrastructure.trainer import Trainer
from hw.scripts import run

TINY = {
    "base_config": "sac",
    "env_name": "Pendulum-v1",
    "exp_name": "tiny",
    "total_steps": 300,
    "random_steps": 40,
    "training_starts": 60,
    "batch_size": 8,
    "hidden_size": 8,
    "num_layers": 1,
    "replay_buffer_capacity": 200,
    "max_episode_steps": 20,
    "eval_interval": 100,
    "num_eval_trajectories": 1,
    "log_interval": 50,
    "checkpoint_interval": 60,
    "snapshot_interval": 150,
    "compile": False,
}


@pytest.fixture
def cfg(tmp_path):
    """Path of a tiny experiment."""
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY), encoding="utf-8")
    return str(path)


@pytest.fixture
def expected_rows(tmp_path, cfg):
    """The rows of a run that nothing happens to."""
    run.main(["-cfg", cfg, "--data_dir", str(tmp_path / "peace")])
    return rows(run_dir_in(tmp_path / "peace"))


@pytest.fixture
def disk(tmp_path):
    """A file system of 2 MB."""
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(path)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system needs root")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


def run_dir_in(data_dir):
    (run_dir,) = data_dir.glob("*_seed*")
    return run_dir


def rows(run_dir):
    lines = (run_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    return [{k: v for k, v in row.items() if not k.startswith("time/")} for row in found]


def fill(disk):
    """Write a file that takes all that is left."""
    with (disk / "ballast").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)


def at_step(monkeypatch, name, step, action):
    """Let a method of the trainer be preceded by an action, once, from a step on."""
    original, done = getattr(Trainer, name), []

    def method(self, *args):
        if self.step >= step and not done:
            done.append(self.step)
            action()
        return original(self, *args)

    monkeypatch.setattr(Trainer, name, method)


@pytest.mark.parametrize("moment", ["log_progress", "save_checkpoint", "save_snapshot", "evaluate"])
def test_a_full_disk_stops_the_run_and_a_resume_loses_nothing(
    disk, cfg, expected_rows, monkeypatch, moment
):
    with monkeypatch.context() as patched:
        at_step(patched, moment, 150, lambda: fill(disk))
        with pytest.raises(StorageError) as error:
            run.main(["-cfg", cfg, "--data_dir", str(disk)])
    message = str(error.value)
    assert "\n" not in message
    assert "No space left on device" in message
    assert "training has stopped, the last good checkpoint is" in message
    run_dir = run_dir_in(disk)
    rows(run_dir)  # whole lines
    for path in (*list_states(run_dir / "checkpoints"), *list_states(run_dir / "snapshots")):
        load_state(path)
    with pytest.raises(StorageError, match="No space left on device"):
        run.main(["--resume", str(run_dir)])  # it is still full
    (disk / "ballast").unlink()
    assert run.main(["--resume", str(run_dir)]) == 0
    assert rows(run_dir) == expected_rows


def test_a_full_disk_at_the_start_is_one_line(disk, cfg):
    fill(disk)
    result = subprocess.run(
        [sys.executable, "hw/scripts/run.py", "-cfg", cfg, "--data_dir", str(disk)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("error: cannot write")


def test_a_read_only_run_directory_is_named_and_left_as_it_was(disk, cfg):
    run.main(["-cfg", cfg, "--data_dir", str(disk)])
    run_dir = run_dir_in(disk)
    before = {path: path.stat().st_mtime_ns for path in run_dir.glob("**/*")}
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    try:
        with pytest.raises(UserError, match=f"cannot write {run_dir}/.*: Read-only file system"):
            run.main(["--resume", str(run_dir), "--set", "total_steps=400"])
        with pytest.raises(UserError, match=f"cannot write to {disk}: Read-only file system"):
            run.main(["-cfg", cfg, "--data_dir", str(disk)])
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    assert {path: path.stat().st_mtime_ns for path in run_dir.glob("**/*")} == before
    assert run.main(["--resume", str(run_dir), "--set", "total_steps=400"]) == 0


def test_of_two_processes_that_resume_one_run_the_second_is_refused(tmp_path, cfg):
    run.main(["-cfg", cfg, "--data_dir", str(tmp_path / "data")])
    run_dir = run_dir_in(tmp_path / "data")
    before = rows(run_dir)
    with (
        locked(run_dir),
        pytest.raises(UserError, match=f"{run_dir} is in use by process {os.getpid()}"),
    ):
        run.main(["--resume", str(run_dir), "--set", "total_steps=400"])
    assert rows(run_dir) == before
    assert run.main(["--resume", str(run_dir), "--set", "total_steps=400"]) == 0


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_anew(
    tmp_path, cfg, expected_rows, monkeypatch
):
    class Killed(BaseException):
        """As if by a signal: nothing is saved."""

    def kill():
        raise Killed

    with monkeypatch.context() as patched:
        at_step(patched, "save_checkpoint", 0, kill)
        with pytest.raises(Killed):
            run.main(["-cfg", cfg, "--data_dir", str(tmp_path / "data")])
    run_dir = run_dir_in(tmp_path / "data")
    assert not list_states(run_dir / "checkpoints")
    assert rows(run_dir)  # some were written
    assert run.main(["--resume", str(run_dir)]) == 0
    assert rows(run_dir) == expected_rows


def test_a_finished_run_is_extended_as_if_it_had_been_longer(tmp_path, cfg, expected_rows):
    flags = ["--data_dir", str(tmp_path / "data"), "--set", "total_steps=200"]
    run.main(["-cfg", cfg, *flags])
    run_dir = run_dir_in(tmp_path / "data")
    assert run.main(["--resume", str(run_dir), "--set", "total_steps=300"]) == 0
    assert rows(run_dir) == expected_rows


@pytest.mark.parametrize("text", ["a: [", "", "- 1", "\0\0\0", "base_config: sac\nenv_name: 3"])
def test_a_corrupt_config_is_named(tmp_path, cfg, text):
    run.main(["-cfg", cfg, "--data_dir", str(tmp_path / "data")])
    run_dir = run_dir_in(tmp_path / "data")
    (run_dir / "config.yaml").write_text(text)
    with pytest.raises(ConfigError, match=f"{run_dir}/config.yaml: "):
        run.main(["--resume", str(run_dir)])


class Bomb:
    """Unpickling one makes a directory."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_checkpoint_that_carries_a_pickle_is_refused_unopened(tmp_path, cfg):
    run.main(["-cfg", cfg, "--data_dir", str(tmp_path / "data")])
    run_dir, crater = run_dir_in(tmp_path / "data"), tmp_path / "crater"
    for path in list_states(run_dir / "checkpoints"):
        torch.save({"agent": Bomb(crater)}, path)
    with pytest.raises(UserError, match="step_000000000300.npz: not a readable checkpoint"):
        run.main(["--resume", str(run_dir)])
    assert not crater.exists()
    pickle.loads(pickle.dumps(Bomb(crater)))
    assert crater.exists()  # the bomb was live


def test_a_checkpoint_of_other_versions_is_refused_unless_asked_for(tmp_path, cfg, monkeypatch):
    run.main(["-cfg", cfg, "--data_dir", str(tmp_path / "data")])
    run_dir = run_dir_in(tmp_path / "data")
    today = {"torch": "9.9", "numpy": None, "gymnasium": "1", "mujoco": "1", "ale-py": "1"}
    monkeypatch.setattr("hw.env_configs.assemble.numeric_versions", lambda: today)
    resume = ["--resume", str(run_dir), "--set", "total_steps=320"]
    version = re.escape(torch.__version__)
    with pytest.raises(UserError, match=f"torch was '{version}' and is '9.9', numpy was"):
        run.main(resume)
    assert run.main([*resume, "--other_versions"]) == 0


def test_a_checkpoint_of_another_configuration_is_refused_with_the_difference(tmp_path, cfg):
    run.main(["-cfg", cfg, "--data_dir", str(tmp_path / "data")])
    run_dir = run_dir_in(tmp_path / "data")
    config = yaml.safe_load((run_dir / "config.yaml").read_text())
    changes = {"actor_learning_rate": 0.5, "env_name": "MountainCarContinuous-v0"}
    (run_dir / "config.yaml").write_text(yaml.safe_dump(config | changes))
    with pytest.raises(UserError) as error:
        run.main(["--resume", str(run_dir)])
    assert "actor_learning_rate was 0.0003 and is 0.5" in str(error.value)
    assert "env_name was 'Pendulum-v1' and is 'MountainCarContinuous-v0'" in str(error.value)
    assert "\n" not in str(error.value)
