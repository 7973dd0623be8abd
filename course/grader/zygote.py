"""The process inside the sandbox that forks a fresh one for every case.

It imports torch once and never runs a student's code: its children do, after they have given up
every right. It is started as `python -I -B zygote.py SETTINGS`, speaks to the grader through its
standard input and output, and each child answers through a pipe of its own.

A request is `REQUEST` and the job's bytes; the answer is `ANSWER` and the child's bytes. With
`stays` set the child lives on: further requests are handed to it as messages, until an empty one.
"""

import contextlib
import importlib
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
import time

# Bytes of the job, most bytes of the reply, wall and CPU seconds, whether the child stays.
REQUEST = struct.Struct(">QQdd?")
FRAME = struct.Struct(">Q")  # bytes of a message to or from a child that stays
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
            num_bytes, max_reply, seconds, cpu_seconds, stays = REQUEST.unpack(head)
            job = _read(self.requests, num_bytes)
            run = self.run_session if stays else self.run
            status, reply, took, exit_status = run(job, max_reply, seconds, cpu_seconds)
            self._answer(status, reply, took, exit_status)

    def _answer(self, status: int, reply: bytes, seconds: float, exit_status: int) -> None:
        _write(self.answers, ANSWER.pack(status, len(reply), seconds, exit_status) + reply)

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

    def run_session(
        self, job: bytes, max_reply: int, seconds: float, cpu_seconds: float
    ) -> tuple[int, bytes, float, int]:
        """A child that answers many messages; the job is the first. Returns the last answer.

        Every message has the same limit of wall-clock seconds; the CPU limit is for all.
        """
        started_at = time.monotonic()
        ours, theirs = socket.socketpair()
        child = os.fork()
        if child == 0:
            try:
                self._become_child(theirs.fileno(), cpu_seconds)
                descriptor = theirs.fileno()
                self.worker.stay(
                    job,
                    lambda: _read_frame(descriptor),
                    lambda reply: _write(descriptor, FRAME.pack(len(reply)) + reply),
                )
            finally:
                os._exit(0)
        theirs.close()
        descriptor = ours.fileno()
        while True:
            deadline = time.monotonic() + seconds
            head, status = self._collect(descriptor, FRAME.size, deadline, FRAME.size)
            reply = b""
            if status == OK:
                (size,) = FRAME.unpack(head)
                if size > max_reply:
                    status = TOO_LONG
                else:
                    reply, status = self._collect(descriptor, size, deadline, size)
            took = time.monotonic() - started_at
            if status != OK:
                break
            self._answer(OK, reply, took, 0)
            request = _read(self.requests, REQUEST.size)
            if request is None:
                break
            num_bytes, max_reply, seconds, _, _ = REQUEST.unpack(request)
            message = _read(self.requests, num_bytes)
            if not message:
                status, reply = OK, b""
                break
            with contextlib.suppress(OSError):
                _write(descriptor, FRAME.pack(len(message)) + message)
        ours.close()
        return status, reply if status == OK else b"", took, self._end(child, wait=False)

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

    def _collect(
        self, inlet: int, max_reply: int, deadline: float, count: int | None = None
    ) -> tuple[bytes, int]:
        """So many bytes, or all until the end, unless there are too many or they come too late."""
        parts: list[bytes] = []
        size = 0
        while count is None or size < count:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([inlet], [], [], left)[0]:
                return b"", TIMEOUT
            try:
                part = os.read(inlet, 2**20 if count is None else min(2**20, count - size))
            except OSError:
                part = b""
            if not part:
                return b"".join(parts), OK if count is None else CRASH
            size += len(part)
            if size > max_reply:
                return b"", TOO_LONG
            parts.append(part)
        return b"".join(parts), OK

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


def _read_frame(descriptor: int) -> bytes | None:
    """One message of a session, or None at its end."""
    head = _read(descriptor, FRAME.size)
    return None if head is None else _read(descriptor, FRAME.unpack(head)[0])


def _write(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


if __name__ == "__main__":
    Zygote(json.loads(sys.argv[1])).serve()
