"""Sandboxes: where students' code runs, by tiers.

T3 is bubblewrap as root: all namespaces, a read-only view of little, and all that T2 has where the
kernel has it. T2, for containers: a user for each slot, Landlock and seccomp. T1, for whoever is
not root: a child process with limits, and Landlock and seccomp where the kernel has them. The best
that works here is chosen; see `docs/course/grading.md` and `docs/course/attacks.md`.
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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, NoReturn, Self

from course.grader.zygote import (
    ANSWER,
    ASK,
    CASE,
    CLOSE,
    CRASH,
    OK,
    OPEN,
    PIECE,
    READY,
    REQUEST,
    TIMEOUT,
    TOO_LONG,
)
from hw.infrastructure.errors import UserError

Tier = Literal["T3", "T2", "T1"]
TIERS: tuple[Tier, ...] = ("T3", "T2", "T1")
FIRST_UID = 61_000
TRIAL_SLOT = 999
START_SECONDS = 120.0
PATIENCE = 60.0  # seconds beyond a case's limit in which the zygote must answer
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


# What dies with its parent dies with the thread that started it; this one lives as long as we do.
LAUNCHER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sandbox")
STATUS = {OK: "ok", TIMEOUT: "timeout", CRASH: "crash", TOO_LONG: "too_long"}


class Sandbox:
    """A zygote in a sandbox, with a tree of files; `call` runs one case in a fresh process.

    Args:
        tree: a folder, made readable for everyone; it holds `hw/` and `instructor/`.
        preload: modules to import once, none of which depends on a student's file.
        tier: how it is closed off.
        slot: number of this sandbox among those that run at once.
        memory: bytes that a child may take beyond what its zygote has.
        disk, file_size: bytes of a child's files, and of each.
        processes: threads of a child; it may start no processes.
        is_bare: leave out Landlock and seccomp, as on a system that has neither.
    """

    def __init__(
        self,
        tree: Path,
        preload: Sequence[str],
        tier: Tier,
        slot: int = 0,
        memory: int = 2048 * MEGABYTE,
        disk: int = 128 * MEGABYTE,
        file_size: int = 32 * MEGABYTE,
        processes: int = 64,
        is_bare: bool = False,
    ):
        self.tier = tier
        self.tree = tree
        self.settings = {
            "tree": "/tree" if tier == "T3" else str(tree.resolve()),
            "preload": list(preload),
            "uid": None if tier == "T1" else FIRST_UID + slot,
            "memory": memory,
            "disk": disk,
            "file_size": file_size,
            "processes": processes,
            "landlock": not is_bare,
            "seccomp": not is_bare,
        }
        self.process: subprocess.Popen | None = None
        self.has_session = False
        self.protections: list[str] = []

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
        """Start the zygote and wait until it has tried itself out.

        Raises:
            SandboxFault: it does not start, or does not hold what it promises.
        """
        uid = self.settings["uid"]
        self.base = Path(tempfile.mkdtemp(prefix="sandbox_"))
        if self.tier == "T2":  # the group makes folders there, and nobody else
            os.chown(self.base, -1, uid)
            self.base.chmod(0o730)
        settings = self.settings | {"base": "/tmp" if self.tier == "T3" else str(self.base)}
        zygote = f"{settings['tree']}/instructor/grader/zygote.py"
        command = [sys.executable, "-I", "-B", zygote, json.dumps(settings)]
        if self.tier == "T3":
            command = [*bubblewrap_command(self.tree), *command]
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115
        start = LAUNCHER.submit(
            subprocess.Popen,
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            bufsize=0,
            env=ENVIRONMENT,
            start_new_session=True,
            cwd="/",
        )
        self.process = start.result()
        os.set_blocking(self.process.stdin.fileno(), False)
        ready = self._receive(READY.size, time.monotonic() + START_SECONDS)
        if ready is None:
            self._fail("does not start")
        _, landlock, has_seccomp = READY.unpack(ready)
        self.protections = ["limits"]
        if self.tier == "T3":
            self.protections.append("namespaces")
        if uid is not None:
            self.protections.append("another user")
        if landlock:
            self.protections.append(f"Landlock {landlock}")
        if has_seccomp:
            self.protections.append("seccomp")
        if self.tier == "T2" and not (landlock and has_seccomp):
            self._fail("lacks Landlock or seccomp")

    def stop(self) -> None:
        """End the zygote and all that it has started."""
        self.has_session = False
        if self.process is None:
            return
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            # Its children die with it.
            with contextlib.suppress(OSError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process.stdout.close()
        self.errors.close()
        self.process = None
        # What a student has left may be deeper than Python goes.
        subprocess.run(["rm", "-rf", "--", str(self.base)], check=False)

    def call(self, job: bytes, limits: Limits) -> Reply:
        """Run one job in a fresh process.

        Raises:
            SandboxFault: the zygote failed, not the job.
        """
        self.has_session = False
        return self._exchange(CASE, job, limits)

    def open_session(self, job: bytes, limits: Limits) -> Reply:
        """Run a job whose process stays; `ask` and `close_session` follow, if the status is ok."""
        reply = self._exchange(OPEN, job, limits)
        self.has_session = reply.status == "ok"
        return reply

    def ask(self, message: bytes, limits: Limits) -> Reply:
        """Send a message to the process that stays; with any status but ok it is gone."""
        reply = self._exchange(ASK, message, limits)
        self.has_session = reply.status == "ok"
        return reply

    def close_session(self) -> None:
        """End the process that stays, if there is one."""
        if self.has_session:
            self.has_session = False
            self._exchange(CLOSE, b"", Limits(0.0, 0.0, 0))

    def _exchange(self, kind: int, job: bytes, limits: Limits) -> Reply:
        if self.process is None:
            self.start()
        deadline = time.monotonic() + limits.seconds + PATIENCE
        head = REQUEST.pack(kind, len(job), limits.reply_bytes, limits.seconds, limits.cpu_seconds)
        self._send(head + job, deadline)
        payload = bytearray()
        while True:
            piece = self._receive(PIECE.size, deadline)
            if piece is None:
                self._fail("does not answer")
            (num_bytes,) = PIECE.unpack(piece)
            if num_bytes == 0:
                break
            content = self._receive(num_bytes, deadline)
            if content is None or len(payload) + num_bytes > limits.reply_bytes:
                self._fail("does not keep to its limits")
            payload += content
        answer = self._receive(ANSWER.size, deadline)
        if answer is None:
            self._fail("does not end its answer")
        status, seconds, exit_status = ANSWER.unpack(answer)
        return Reply(STATUS[status], bytes(payload) if status == OK else b"", seconds, exit_status)

    def _send(self, content: bytes, deadline: float) -> None:
        descriptor, view = self.process.stdin.fileno(), memoryview(content)
        while view:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([], [descriptor], [], left)[1]:
                self._fail("takes no more jobs")
            try:
                view = view[os.write(descriptor, view) :]
            except BlockingIOError:
                continue
            except OSError:
                self._fail("takes no more jobs")

    def _receive(self, count: int, deadline: float) -> bytes | None:
        """So many bytes of the zygote's, or None if they do not come in time."""
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

    def _fail(self, what: str) -> NoReturn:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=0.5)
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
    for capability in ("CAP_SETUID", "CAP_SETGID", "CAP_KILL", "CAP_DAC_READ_SEARCH"):
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
    command += ["--size", str(MEGABYTE), "--perms", "1777", "--tmpfs", "/dev/shm"]
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
    chosen, reasons = wanted, {}
    for tier in TIERS if wanted is None else (wanted,):
        reasons[tier] = missing_for(tier)
        if not reasons[tier]:
            chosen = tier
            break
    if chosen is None or reasons[chosen]:
        raise UserError(f"tier {chosen or 'T1'} does not work here: {reasons[chosen or 'T1']}")
    if required is not None and TIERS.index(chosen) > TIERS.index(required):
        why = f": {reasons[required]}" if reasons.get(required) else ""
        raise UserError(f"tier {chosen} is less than {required}, which is required{why}")
    return chosen


def missing_for(tier: Tier) -> str:
    """Why a tier cannot work here, or an empty string; a small sandbox is tried out."""
    if not sys.platform.startswith("linux"):
        return "it needs Linux"
    if tier != "T1" and os.geteuid() != 0:
        return "it needs root"
    if tier == "T3" and shutil.which("bwrap") is None:
        return "bubblewrap is not installed"
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        shutil.copytree(Path(__file__).parent, tree / "instructor" / "grader")
        tree.chmod(0o755)
        try:
            with Sandbox(tree, [], tier, slot=TRIAL_SLOT):
                return ""
        except (SandboxFault, OSError) as error:
            return str(error)
