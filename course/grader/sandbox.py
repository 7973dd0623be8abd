"""Sandboxes: where students' code runs, by tiers.

T3 is bubblewrap as root: all namespaces, a read-only view of little, a user for each slot. T2 is
the same without namespaces, for containers: another user, Landlock and seccomp. T1 is a child
process with limits. The best that works here is chosen; see `docs/course/grading.md`.
"""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from course.grader.zygote import ANSWER, CRASH, OK, READY, REQUEST, TIMEOUT, TOO_LONG
from hw.infrastructure.errors import UserError

Tier = Literal["T3", "T2", "T1"]
TIERS: tuple[Tier, ...] = ("T3", "T2", "T1")
FIRST_UID = 61_000
START_SECONDS = 120.0
MEGABYTE = 2**20


class SandboxFault(Exception):
    """The sandbox itself failed: no fault of the student."""


@dataclass(frozen=True)
class Limits:
    """What one case may take.

    Args:
        seconds, cpu_seconds: of wall clock and of computing.
        reply_bytes: of its answer.
    """

    seconds: float
    cpu_seconds: float
    reply_bytes: int


@dataclass(frozen=True)
class Reply:
    """What came of one case.

    Args:
        status: `ok` if there is an answer at all.
        payload: the answer, believed in nothing.
        seconds: that it took.
        exit_status: of the process; negative numbers are signals.
    """

    status: Literal["ok", "timeout", "crash", "too_long"]
    payload: bytes
    seconds: float
    exit_status: int


STATUS = {OK: "ok", TIMEOUT: "timeout", CRASH: "crash", TOO_LONG: "too_long"}


class Sandbox:
    """A zygote in a sandbox, with a tree of files; `call` runs one case in a fresh process.

    Args:
        tree: a folder, made readable for everyone; it holds `hw/` and `instructor/`.
        preload: modules to import once, none of which depends on a student's file.
        tier: how it is closed off.
        slot: number of this sandbox among those that run at once.
        memory, file_size, processes: of each child: bytes of address space, of a file, and count.
    """

    def __init__(
        self,
        tree: Path,
        preload: Sequence[str],
        tier: Tier,
        slot: int = 0,
        memory: int = 4096 * MEGABYTE,
        file_size: int = 64 * MEGABYTE,
        processes: int = 64,
    ):
        self.tier = tier
        self.tree = tree
        self.settings = {
            "tree": "/tree" if tier == "T3" else str(tree),
            "preload": list(preload),
            "uid": FIRST_UID + slot if tier in ("T3", "T2") else None,
            "memory": memory,
            "file_size": file_size,
            "processes": processes,
            "confine": tier,
        }
        self.process: subprocess.Popen | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the zygote and wait until it is ready.

        Raises:
            SandboxFault: it does not start.
        """
        zygote = f"{self.settings['tree']}/instructor/grader/zygote.py"
        command = [sys.executable, "-I", "-B", zygote, json.dumps(self.settings)]
        if self.tier == "T3":
            command = [*bubblewrap_command(self.tree), *command]
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env=ENVIRONMENT,
            start_new_session=True,
            cwd="/",
        )
        if self._receive(len(READY), START_SECONDS) != READY:
            self._fail("does not start")

    def stop(self) -> None:
        """End the zygote and all that it has started."""
        if self.process is None:
            return
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(OSError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process.stdout.close()
        self.errors.close()
        self.process = None

    def call(self, job: bytes, limits: Limits) -> Reply:
        """Run one job in a fresh process.

        Raises:
            SandboxFault: the zygote failed, not the job.
        """
        return self._exchange(job, limits, stays=False)

    def open_session(self, job: bytes, limits: Limits) -> Reply:
        """Run a job whose process stays; `ask` and `close_session` follow, if the status is ok."""
        return self._exchange(job, limits, stays=True)

    def ask(self, message: bytes, limits: Limits) -> Reply:
        """Send a message to the process that stays; with any status but ok it is gone."""
        return self._exchange(message, limits, stays=True)

    def close_session(self) -> None:
        """End the process that stays."""
        self._exchange(b"", Limits(5.0, 5.0, 0), stays=True)

    def _exchange(self, job: bytes, limits: Limits, stays: bool) -> Reply:
        if self.process is None:
            self.start()
        head = REQUEST.pack(len(job), limits.reply_bytes, limits.seconds, limits.cpu_seconds, stays)
        try:
            self.process.stdin.write(head + job)
            self.process.stdin.flush()
        except OSError:
            self._fail("takes no more jobs")
        answer = self._receive(ANSWER.size, limits.seconds + 30.0)
        if answer is None:
            self._fail("does not answer")
        status, num_bytes, seconds, exit_status = ANSWER.unpack(answer)
        payload = self._receive(num_bytes, 30.0)
        if payload is None:
            self._fail("does not end its answer")
        return Reply(STATUS[status], payload, seconds, exit_status)

    def _receive(self, count: int, seconds: float) -> bytes | None:
        """So many bytes of the zygote's, or None if they do not come in time."""
        deadline = time.monotonic() + seconds
        descriptor = self.process.stdout.fileno()
        parts: list[bytes] = []
        while count > 0:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([descriptor], [], [], left)[0]:
                return None
            part = os.read(descriptor, min(count, MEGABYTE))
            if not part:
                return None
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def _fail(self, what: str) -> None:
        self.errors.seek(0)
        details = self.errors.read()[-500:].decode(errors="replace").strip()
        self.stop()
        raise SandboxFault(f"the sandbox ({self.tier}) {what}: {details}")


ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MUJOCO_GL": "disabled",
    "PYTHONDONTWRITEBYTECODE": "1",
}


def bubblewrap_command(tree: Path) -> list[str]:
    """Words before a command that run it closed off, with little to read and nothing to write."""
    command = [
        "bwrap",
        *("--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"),
        *("--unshare-cgroup-try", "--die-with-parent", "--new-session", "--clearenv"),
        *("--cap-drop", "ALL"),
    ]
    for capability in ("CAP_SETUID", "CAP_SETGID", "CAP_KILL"):
        command += ["--cap-add", capability]
    for name, value in ENVIRONMENT.items():
        command += ["--setenv", name, value]
    command += ["--ro-bind", "/usr", "/usr"]
    for name in ("lib", "lib64", "bin", "sbin", "lib32"):
        path = Path("/", name)
        if path.is_symlink():
            command += ["--symlink", os.readlink(path), str(path)]
        elif path.exists():
            command += ["--ro-bind", str(path), str(path)]
    command += ["--proc", "/proc", "--dev", "/dev"]
    command += ["--size", str(256 * MEGABYTE), "--perms", "1777", "--tmpfs", "/tmp"]
    made: set[Path] = set()
    for path in python_folders():
        for parent in reversed(path.parents):
            if parent not in made and len(parent.parts) > 1 and not parent.is_relative_to("/usr"):
                command += ["--perms", "0755", "--dir", str(parent)]
                made.add(parent)
        if not path.is_relative_to("/usr") and path not in made:
            command += ["--ro-bind", str(path), str(path)]
            made.add(path)
    command += ["--ro-bind", str(tree), "/tree", "--chdir", "/tree", "--"]
    return command


def python_folders() -> list[Path]:
    """The folders that this Python and its packages need, outermost first."""
    found = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parents[1]}
    return sorted(path.resolve() for path in found)


def choose_tier(wanted: Tier | None, required: Tier | None) -> Tier:
    """The tier to use: the wanted one, or the best that works here.

    Raises:
        UserError: it does not work here, or is less than what is required.
    """
    reasons = {tier: missing_for(tier) for tier in TIERS}
    chosen = wanted or next(tier for tier in TIERS if not reasons[tier])
    if reasons[chosen]:
        raise UserError(f"tier {chosen} does not work here: {reasons[chosen]}")
    if required is not None and TIERS.index(chosen) > TIERS.index(required):
        why = f": {reasons[required]}" if reasons[required] else ""
        raise UserError(f"tier {chosen} is less than {required}, which is required{why}")
    return chosen


def missing_for(tier: Tier) -> str:
    """Why a tier cannot work here, or an empty string."""
    if tier == "T1":
        return ""
    if not sys.platform.startswith("linux"):
        return "it needs Linux"
    if os.geteuid() != 0:
        return "it needs root"
    if tier == "T3" and shutil.which("bwrap") is None:
        return "bubblewrap is not installed"
    return ""
