"""The process inside the sandbox that forks a fresh one for every case.

It imports torch once and never runs a student's code: its children do, after they have given up every
right. It is started as `python -I -B zygote.py SETTINGS`, speaks to the grader through its standard
input and output, and each child answers through a pipe of its own.

A request is `REQUEST` and the job's bytes; the answer is `ANSWER`, a word and the child's bytes.
"""

import contextlib
import importlib
import json
import os
import resource
import select
import signal
import struct
import sys
import time

REQUEST = struct.Struct(">QQdd")  # bytes of the job, most bytes of the reply, wall and CPU seconds
ANSWER = struct.Struct(">BQdq")  # status, bytes of the reply, seconds, exit status
READY = b"ready\n"
OK, TIMEOUT, CRASH, TOO_LONG = range(4)
GRACE = 1.0  # seconds that a child may take to exit after its reply


class Zygote:
    """Answers requests until its input ends.

    Args:
        settings: `tree` (folder), `preload` (modules), `uid` (None keeps the user), `memory` and
            `file_size` (bytes), `processes`, `confine` (a tier's name for `confine.py`).
    """

    def __init__(self, settings: dict):
        self.settings = settings
        self.requests, self.answers = os.dup(0), os.dup(1)
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1):
            os.dup2(null, standard)
        os.chdir(settings["tree"])
        sys.path[:0] = [settings["tree"], os.path.join(settings["tree"], "instructor")]
        for name in settings["preload"]:
            importlib.import_module(name)
        torch = sys.modules.get("torch")
        if torch is not None:
            torch.set_num_threads(1)
            (torch.ones(8, 8, requires_grad=True) @ torch.ones(8, 8)).sum().backward()
        self.confine = importlib.import_module("grader.confine")
        self.worker = importlib.import_module("grader.worker")
        _write(self.answers, READY)

    def serve(self) -> None:
        """Answer requests."""
        while True:
            head = _read(self.requests, REQUEST.size)
            if head is None:
                return
            num_bytes, max_reply, seconds, cpu_seconds = REQUEST.unpack(head)
            job = _read(self.requests, num_bytes)
            status, reply, took, exit_status = self.run(job, max_reply, seconds, cpu_seconds)
            _write(self.answers, ANSWER.pack(status, len(reply), took, exit_status) + reply)

    def run(
        self, job: bytes, max_reply: int, seconds: float, cpu_seconds: float
    ) -> tuple[int, bytes, float, int]:
        """One case in a process of its own: status, reply, seconds, exit status."""
        started_at = time.monotonic()
        inlet, outlet = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                self._become_child(outlet, cpu_seconds)
                _write(outlet, self.worker.handle(job))
            finally:
                os._exit(0)
        os.close(outlet)
        reply, status = self._collect(inlet, max_reply, started_at + seconds)
        os.close(inlet)
        exit_status = self._end(child, wait=status == OK)
        if status == OK and not reply:
            status = CRASH
        return status, reply, time.monotonic() - started_at, exit_status

    def _become_child(self, outlet: int, cpu_seconds: float) -> None:
        """Give up files, limits and rights before anything of a student is read."""
        os.setsid()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        keep = {outlet}
        for descriptor in [int(name) for name in os.listdir("/proc/self/fd")]:
            if descriptor > 2 and descriptor not in keep:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
        settings = self.settings
        limits = {
            resource.RLIMIT_CPU: int(cpu_seconds) + 1,
            resource.RLIMIT_AS: settings["memory"],
            resource.RLIMIT_FSIZE: settings["file_size"],
            resource.RLIMIT_NOFILE: 64,
            resource.RLIMIT_CORE: 0,
            resource.RLIMIT_NPROC: settings["processes"],
        }
        uid = settings["uid"]
        if uid is None:
            del limits[resource.RLIMIT_NPROC]  # it would count all processes of this user
        for limit, value in limits.items():
            resource.setrlimit(limit, (value, value))
        if uid is not None:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
        self.confine.confine(settings["confine"], settings["tree"])

    def _collect(self, inlet: int, max_reply: int, deadline: float) -> tuple[bytes, int]:
        """All bytes of the reply, unless there are too many or they come too late."""
        parts: list[bytes] = []
        size = 0
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([inlet], [], [], left)[0]:
                return b"", TIMEOUT
            part = os.read(inlet, 2**20)
            if not part:
                return b"".join(parts), OK
            size += len(part)
            if size > max_reply:
                return b"", TOO_LONG
            parts.append(part)

    def _end(self, child: int, wait: bool) -> int:
        """Read the child's status before it is killed with whatever it has started."""
        deadline = time.monotonic() + (GRACE if wait else 0.0)
        exit_status = None
        while exit_status is None:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                exit_status = os.waitstatus_to_exitcode(status)
            elif time.monotonic() >= deadline:
                break
            else:
                time.sleep(0.0005)
        with contextlib.suppress(OSError):
            os.killpg(child, signal.SIGKILL)
        if exit_status is None:
            exit_status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        self._sweep()
        return exit_status

    def _sweep(self) -> None:
        """Kill every process of the student's user, also those that left the group."""
        uid = self.settings["uid"]
        if uid is None:
            return
        sweeper = os.fork()
        if sweeper == 0:
            try:
                os.setresuid(uid, uid, uid)
                os.kill(-1, signal.SIGKILL)
            finally:
                os._exit(0)
        os.waitpid(sweeper, 0)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _read(descriptor: int, count: int) -> bytes | None:
    """Exactly so many bytes, or None where the input ends first."""
    parts: list[bytes] = []
    while count > 0:
        part = os.read(descriptor, min(count, 2**20))
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _write(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


if __name__ == "__main__":
    Zygote(json.loads(sys.argv[1])).serve()
