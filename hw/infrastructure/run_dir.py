"""A run's directory: its name, its config.yaml, and the facts that let it be reproduced."""

import contextlib
import fcntl
import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
import yaml

from hw.infrastructure.errors import UserError
from hw.infrastructure.files import replacing, storage_errors

PACKAGES = ("torch", "numpy", "gymnasium", "mujoco", "ale-py", "tensorboardX")
# Those whose version may change the numbers that a run computes.
NUMERIC_PACKAGES = ("torch", "numpy", "gymnasium", "mujoco", "ale-py")
# Locks of this process; a forked child lets go of them, lest it outlive us and hold them still.
_locks: set[int] = set()


def _let_go() -> None:
    for descriptor in _locks:
        os.close(descriptor)
    _locks.clear()


os.register_at_fork(after_in_child=_let_go)


def create_run_dir(data_dir: Path, config: dict[str, Any]) -> Path:
    """Make `<algorithm>_<exp_name>_<env>_seed<k>_<time>` below data_dir.

    Raises:
        UserError: the directory cannot be written.
    """
    time = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    parts = (config["base_config"], config["exp_name"], config["env_name"])
    algorithm, exp_name, env = (part.replace("/", "-").replace(":", "-") for part in parts)
    name = f"{algorithm}_{exp_name}_{env}_seed{config['seed']}_{time}"
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        for suffix in ("", *(f"-{i}" for i in range(2, 100))):
            run_dir = data_dir / (name + suffix)
            with contextlib.suppress(FileExistsError):
                run_dir.mkdir()
                return run_dir
    except OSError as error:
        raise UserError(f"cannot write to {data_dir}: {error.strerror}") from error
    raise UserError(f"{data_dir}: too many runs named {name}")


@contextlib.contextmanager
def locked(run_dir: Path) -> Iterator[None]:
    """Be the only process that writes to a run's directory; the system ends it with the process.

    Raises:
        UserError: another process holds the lock, or the directory cannot be written.
    """
    path = run_dir / ".lock"
    with storage_errors(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    _locks.add(descriptor)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.read(descriptor, 20).decode(errors="replace").strip() or "?"
            raise UserError(f"{run_dir} is in use by process {owner}") from error
        except OSError:
            pass  # a file system without locks
        with storage_errors(path):
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        _locks.discard(descriptor)
        os.close(descriptor)


def config_path(run_dir: Path) -> Path:
    """Where a run keeps its settings."""
    return run_dir / "config.yaml"


def write_config(run_dir: Path, config: dict[str, Any]) -> None:
    """Write config.yaml: the run's settings, then `provenance`, an entry for each session of it."""
    path = config_path(run_dir)
    sessions = []
    if path.exists():
        sessions = yaml.safe_load(path.read_text(encoding="utf-8")).get("provenance", [])
    content = {**config, "provenance": [*sessions, provenance()]}
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    with replacing(path) as file:
        file.write(text.encode())


def provenance() -> dict[str, Any]:
    """Package versions, machine, numerics and git commit."""
    commit = _git("rev-parse", "HEAD")
    return {
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "machine": f"{platform.system()} {platform.machine()}",
        "num_threads": torch.get_num_threads(),
        "cpu_matmul_precision": torch.backends.mkldnn.matmul.fp32_precision,
        "git_commit": commit,
        "git_clean": None if commit is None else not _git("status", "--porcelain"),
    }


def numeric_versions() -> dict[str, str | None]:
    """Versions of what computes a run's numbers; None for what is not installed."""
    return {name: _version(name) for name in NUMERIC_PACKAGES}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    """Output of a git command in the package's checkout, or None outside one."""
    try:
        result = subprocess.run(
            ["git", *arguments],
            cwd=Path(__file__).parent,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return result.stdout.strip()
