"""A run's directory and what config.yaml says about where a run came from."""

import importlib.metadata
import os
import re
import signal
import subprocess
import sys
import time
from datetime import datetime

import pytest
import torch
import yaml

from hw.infrastructure import run_dir
from hw.infrastructure.errors import UserError

CONFIG = {"base_config": "sac", "exp_name": "try", "env_name": "Pendulum-v1", "seed": 7}


def test_the_directorys_name_says_what_runs(tmp_path):
    before = datetime.now().replace(microsecond=0)
    path = run_dir.create_run_dir(tmp_path / "new" / "data", CONFIG)
    assert path.is_dir()
    assert path.parent == tmp_path / "new" / "data"
    prefix, time = path.name[: -len("2026-01-31_12-00-00")], path.name[-19:]
    assert prefix == "sac_try_Pendulum-v1_seed7_"
    assert before <= datetime.strptime(time, "%Y-%m-%d_%H-%M-%S") <= datetime.now()


@pytest.mark.parametrize(
    ("env_name", "in_name"),
    [("ALE/Pong-v5", "ALE-Pong-v5"), ("my.envs:Maze-v0", "my.envs-Maze-v0")],
)
def test_an_environments_name_makes_no_directories_of_its_own(tmp_path, env_name, in_name):
    path = run_dir.create_run_dir(tmp_path, CONFIG | {"env_name": env_name})
    assert path.parent == tmp_path
    assert path.name.startswith(f"sac_try_{in_name}_seed7_")


def test_runs_that_begin_in_one_second_have_directories_of_their_own(tmp_path, monkeypatch):
    class Noon(datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2026, 1, 31, 12)

    monkeypatch.setattr(run_dir, "datetime", Noon)
    names = [run_dir.create_run_dir(tmp_path, CONFIG).name for _ in range(3)]
    name = "sac_try_Pendulum-v1_seed7_2026-01-31_12-00-00"
    assert names == [name, f"{name}-2", f"{name}-3"]


def test_a_directory_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("not a directory")
    for data_dir in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match=f"cannot write to {re.escape(str(data_dir))}: "):
            run_dir.create_run_dir(data_dir, CONFIG)


def test_settings_are_read_back_in_their_order_before_the_provenance(tmp_path):
    config = CONFIG | {"threshold": None, "rate": 3e-4, "nested": {"z": [1, 2.5], "a": "γ"}}
    run_dir.write_config(tmp_path, config)
    content = yaml.safe_load(run_dir.config_path(tmp_path).read_text(encoding="utf-8"))
    provenance = content.pop("provenance")
    assert list(content.items()) == list(config.items())
    assert provenance == [run_dir.provenance()]


def test_each_session_of_a_run_adds_its_provenance(tmp_path, monkeypatch):
    for command in ("first", "second", "third"):
        monkeypatch.setattr(sys, "argv", [command])
        run_dir.write_config(tmp_path, CONFIG | {"temperature": command})
    content = yaml.safe_load(run_dir.config_path(tmp_path).read_text(encoding="utf-8"))
    assert [session["command"] for session in content["provenance"]] == ["first", "second", "third"]
    assert content["temperature"] == "third"


def test_the_provenance_is_that_of_this_process(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/run.py", "-cfg", "a.yaml"])
    provenance = run_dir.provenance()
    assert provenance["command"] == "run.py -cfg a.yaml"
    assert provenance["python"] == "{}.{}.{}".format(*sys.version_info[:3])
    assert provenance["packages"]["torch"] == importlib.metadata.version("torch")
    assert provenance["num_threads"] == torch.get_num_threads()


def test_a_package_that_is_not_installed_has_no_version(monkeypatch):
    monkeypatch.setattr(run_dir, "PACKAGES", ("numpy", "no-such-package"))
    versions = run_dir.provenance()["packages"]
    assert versions == {"numpy": importlib.metadata.version("numpy"), "no-such-package": None}


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A git repository in which the package pretends to be; runs git commands there."""
    (tmp_path / "package").mkdir()
    monkeypatch.setattr(run_dir, "__file__", str(tmp_path / "package" / "run_dir.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))

    def git(*arguments):
        identity = ("-c", "user.name=a", "-c", "user.email=a@b")
        command = ["git", *identity, *arguments]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        return result.stdout.strip()

    return git


def test_the_commit_is_recorded_and_whether_it_was_clean(checkout, tmp_path):
    checkout("init")
    (tmp_path / "code.py").write_text("1")
    checkout("add", ".")
    checkout("commit", "-m", "first", "--no-gpg-sign")
    commit = checkout("rev-parse", "HEAD")

    provenance = run_dir.provenance()
    assert (provenance["git_commit"], provenance["git_clean"]) == (commit, True)
    (tmp_path / "code.py").write_text("2")
    provenance = run_dir.provenance()
    assert (provenance["git_commit"], provenance["git_clean"]) == (commit, False)


def test_outside_a_checkout_there_is_no_commit(checkout):
    provenance = run_dir.provenance()
    assert (provenance["git_commit"], provenance["git_clean"]) == (None, None)


# The lock


def holds_lock(path):
    """Whether another process can take the lock."""
    code = (
        "import sys; from pathlib import Path\n"
        "from hw.infrastructure.run_dir import locked\n"
        "from hw.infrastructure.errors import UserError\n"
        "try:\n"
        f"    with locked(Path({str(path)!r})): pass\n"
        "except UserError as error:\n"
        "    sys.exit(str(error))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return result.returncode == 0, result.stderr.strip()


def test_a_run_that_another_process_writes_is_refused(tmp_path):
    with run_dir.locked(tmp_path):
        is_free, message = holds_lock(tmp_path)
        assert not is_free
        assert message == f"{tmp_path} is in use by process {os.getpid()}"
    assert holds_lock(tmp_path)[0]


def test_a_crash_leaves_no_lock_behind_even_if_a_child_lives_on(tmp_path):
    ready, child_ready = os.pipe()
    owner = os.fork()
    if owner == 0:
        with run_dir.locked(tmp_path):
            child = os.fork()
            if child:
                os.write(child_ready, f"{child:10}".encode())
            time.sleep(60)
        os._exit(1)
    child = int(os.read(ready, 10))
    with pytest.raises(UserError, match=f"in use by process {owner}"), run_dir.locked(tmp_path):
        pass
    os.kill(owner, signal.SIGKILL)
    os.waitpid(owner, 0)
    try:
        os.kill(child, 0)  # it is there
        with run_dir.locked(tmp_path):
            pass
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_config_is_whole_or_the_one_before(tmp_path, monkeypatch):
    run_dir.write_config(tmp_path, CONFIG)
    before = run_dir.config_path(tmp_path).read_text()

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(UserError, match="cannot write .*config.yaml: No space left"):
        run_dir.write_config(tmp_path, CONFIG | {"seed": 8})
    assert run_dir.config_path(tmp_path).read_text() == before
