"""The process inside the sandbox that forks a fresh one for every case.

It imports torch once and never runs a student's code: its children do, after they have given up
every right. It is started as `python -I -B zygote.py SETTINGS`, and speaks to the grader through
its standard input and output.

A request is `REQUEST` and the bytes of a message; the answer is the child's bytes in pieces, each
after its length, then a length of 0 and `ANSWER`. A child inherits this process's memory, so
messages pass through here in one buffer that is wiped: no case can find an earlier one's, nor what
the reference gave.
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
import sysconfig
import tempfile
import time

# Kind, bytes of the message, most bytes of the reply, wall and CPU seconds.
REQUEST = struct.Struct(">BQQdd")
CASE, OPEN, ASK, CLOSE = range(4)  # a child for one message; one that stays; the next; its end
FRAME = struct.Struct(">Q")  # bytes of a message to or from a child
PIECE = struct.Struct(">I")  # bytes of a piece of the answer
ANSWER = struct.Struct(">Bdq")  # status, seconds, exit status
READY = struct.Struct(">5sB?")  # b"ready", version of Landlock, whether calls are filtered
OK, TIMEOUT, CRASH, TOO_LONG = range(4)
CONFINED = b"!"  # a child's first word
START_SECONDS = 60.0  # that a child may take to say it
GRACE = 0.5  # seconds that a child may take to exit after it has closed its pipe
GLANCE = 0.2  # seconds between looks at a child's folder and threads
MAX_FILES = 2000
BUFFER_BYTES = 2**16
MEMORY_RESERVE = 2**26  # to report with that memory has run out
SYSTEM_FOLDERS = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/share/zoneinfo",
)
SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/localtime")


class Child:
    """A process that runs a student's code, as its parent sees it.

    Args:
        pid: of the process.
        inlet: where its replies can be read.
        outlet: where messages to it are written.
        folder: the one that it may write to.
        cpu_seconds: that it may use.
    """

    def __init__(self, pid: int, inlet: int, outlet: int, folder: str, cpu_seconds: float):
        self.pid, self.inlet, self.outlet = pid, inlet, outlet
        self.folder, self.cpu_seconds = folder, cpu_seconds


class Zygote:
    """Answers requests until its input ends.

    Args:
        settings: `tree` (folder), `base` (for the children's folders), `preload` (modules), `uid`
            (None keeps the user), `memory`, `disk` and `file_size` (bytes), `processes`, `landlock`
            and `seccomp` (whether to use them where the kernel has them).
    """

    def __init__(self, settings: dict):
        self.settings = settings
        self.requests, self.answers = os.dup(0), os.dup(1)
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1):
            os.dup2(null, standard)
        os.chdir(settings["tree"])
        folders = python_folders()
        for folder in folders:
            if os.path.exists(os.path.join(folder, "hw")):
                raise SystemExit(f"the reference lies in {folder}: uninstall hw, or pip install -e")
        forget_other_paths([settings["tree"], *folders])
        sys.path[:0] = [settings["tree"], os.path.join(settings["tree"], "instructor")]
        for name in settings["preload"]:
            importlib.import_module(name)
        torch = sys.modules.get("torch")
        if torch is not None:
            torch.set_num_threads(1)
            (torch.ones(8, 8, requires_grad=True) @ torch.ones(8, 8)).sum().backward()
        self.confine = importlib.import_module("grader.confine")
        self.worker = importlib.import_module("grader.worker")
        self.confine.die_with(os.getppid())
        self.confine.prctl(self.confine.PR_SET_CHILD_SUBREAPER, 1)
        readable = [settings["tree"], *folders, *SYSTEM_FOLDERS, *SYSTEM_FILES]
        self.confinement = self.confine.Confinement(
            readable, settings["landlock"], settings["seccomp"]
        )
        # Where Python lies in a closed folder, children keep the right to read; Landlock binds it.
        is_closed = not all(is_open_to_all(path) for path in (settings["tree"], *folders))
        self.needs_reading = is_closed and self.confinement.abi > 0
        if is_closed and not self.needs_reading and settings["uid"] is not None:
            raise SystemExit("other users cannot read this Python, and there is no Landlock")
        self.buffer = memoryview(bytearray(BUFFER_BYTES))
        self.zeros = bytes(BUFFER_BYTES)
        self.child: Child | None = None
        self.num_children = 0
        self._try_out()
        ready = READY.pack(b"ready", self.confinement.abi, self.confinement.has_seccomp)
        _write(self.answers, ready)

    def serve(self) -> None:
        """Answer requests."""
        while (head := _read(self.requests, REQUEST.size)) is not None:
            kind, num_bytes, max_reply, seconds, cpu_seconds = REQUEST.unpack(head)
            exit_status = 0
            if kind in (CASE, OPEN):
                self._stop_child(patience=0.0)
                self._start_child(cpu_seconds)
            started_at = time.monotonic()
            if kind == CLOSE or self.child is None:
                self._take(num_bytes)
                self._stop_child(patience=0.0)
                status = OK if kind == CLOSE else CRASH
            else:
                status = self._exchange(num_bytes, max_reply, started_at + seconds)
                if kind == CASE or status != OK:
                    status, exit_status = self._conclude(status)
            answer = ANSWER.pack(status, time.monotonic() - started_at, exit_status)
            _write(self.answers, PIECE.pack(0) + answer)
        self._stop_child(patience=0.0)

    def _exchange(self, num_bytes: int, max_reply: int, deadline: float) -> int:
        """Hand a message to the child and its reply to the grader; the status."""
        status = self._hand_over(num_bytes, deadline)
        if status != OK:
            return status
        head = bytearray()
        while len(head) < FRAME.size:
            count, status = self._receive(FRAME.size - len(head), deadline)
            if status != OK:
                return status
            head += self.buffer[:count]
        (left,) = FRAME.unpack(head)
        if left > max_reply:
            return TOO_LONG
        while left:
            count, status = self._receive(min(left, BUFFER_BYTES), deadline)
            if status != OK:
                return status
            _write(self.answers, PIECE.pack(count))
            _write(self.answers, self.buffer[:count])
            self.buffer[:count] = self.zeros[:count]
            left -= count
        return OK

    def _hand_over(self, num_bytes: int, deadline: float) -> int:
        """Pass a message on from the grader to the child."""
        status = self._send(FRAME.pack(num_bytes), deadline)
        while num_bytes:
            if status != OK:
                self._take(num_bytes)
                return status
            count = os.readv(self.requests, [self.buffer[: min(num_bytes, BUFFER_BYTES)]])
            if count == 0:
                raise SystemExit("the grader has gone")
            status = self._send(self.buffer[:count], deadline)
            self.buffer[:count] = self.zeros[:count]
            num_bytes -= count
        return status

    def _take(self, num_bytes: int) -> None:
        """Read a message that there is nobody for."""
        while num_bytes:
            count = os.readv(self.requests, [self.buffer[: min(num_bytes, BUFFER_BYTES)]])
            if count == 0:
                raise SystemExit("the grader has gone")
            self.buffer[:count] = self.zeros[:count]
            num_bytes -= count

    def _send(self, content: bytes | memoryview, deadline: float) -> int:
        view = memoryview(content)
        while view:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([], [self.child.outlet], [], left)[1]:
                return TIMEOUT
            try:
                view = view[os.write(self.child.outlet, view) :]
            except BlockingIOError:
                continue
            except OSError:
                return CRASH
        return OK

    def _receive(self, most: int, deadline: float) -> tuple[int, int]:
        """Read into the buffer from the child: how many bytes, and the status."""
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                return 0, TIMEOUT
            if select.select([self.child.inlet], [], [], min(left, GLANCE))[0]:
                count = os.readv(self.child.inlet, [self.buffer[:most]])
                return count, OK if count else CRASH
            if is_flooded(self.child.folder, self.settings["disk"]) or self._has_many_threads():
                return 0, CRASH

    def _has_many_threads(self) -> bool:
        """Whether the child has more than it may, where the kernel does not count them."""
        try:
            folders = os.stat(f"/proc/{self.child.pid}/task").st_nlink
        except OSError:
            return False
        return folders - 2 > self.settings["processes"]

    def _start_child(self, cpu_seconds: float) -> None:
        """Fork the process that will read the next message."""
        theirs, outlet = os.pipe()
        inlet, answers = os.pipe()
        self.num_children += 1
        folder = os.path.join(self.settings["base"], f"case_{self.num_children}")
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                self._become_child(parent, {theirs, answers}, folder, cpu_seconds)
                os.write(answers, CONFINED)
                self._run_child(theirs, answers)
            finally:
                os._exit(0)
        os.close(theirs)
        os.close(answers)
        os.set_blocking(outlet, False)
        self.child = Child(pid, inlet, outlet, folder, cpu_seconds)
        # Until here nothing of a student has been read: a failure is the sandbox's.
        if not select.select([inlet], [], [], START_SECONDS)[0] or not os.read(inlet, 1):
            self._stop_child(patience=0.0)
            raise SystemExit("a child could not be confined")

    def _run_child(self, inlet: int, outlet: int) -> None:
        """In the child: answer the first message, and any others."""
        message = _read_frame(inlet)
        if message is not None:
            self.worker.answer(
                message,
                lambda: _read_frame(inlet),
                lambda reply: _write(outlet, FRAME.pack(len(reply)) + reply),
            )

    def _become_child(self, parent: int, keep: set[int], folder: str, cpu_seconds: float) -> None:
        """Give up files, limits and rights before anything of a student is read."""
        os.setsid()
        settings, uid = self.settings, self.settings["uid"]
        keep = keep | self.confinement.descriptors | {0, 1, 2}
        for descriptor in [int(name) for name in os.listdir("/proc/self/fd")]:
            if descriptor not in keep:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
        os.close(null)
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
        with open("/proc/self/statm") as file:
            has_already = int(file.read().split()[0]) * resource.getpagesize()
        seconds = int(cpu_seconds) + 1
        memory = has_already + settings["memory"]
        limits = {
            resource.RLIMIT_CPU: (seconds, seconds + 1),
            resource.RLIMIT_AS: (memory, memory + MEMORY_RESERVE),
            resource.RLIMIT_FSIZE: (settings["file_size"],) * 2,
            resource.RLIMIT_NOFILE: (64, 64),
            resource.RLIMIT_CORE: (0, 0),
            resource.RLIMIT_MEMLOCK: (0, 0),
            resource.RLIMIT_NPROC: (settings["processes"],) * 2,
        }
        if uid is None:
            del limits[resource.RLIMIT_NPROC]  # it would count all processes of this user
        for limit, value in limits.items():
            resource.setrlimit(limit, value)
        self._change_user()
        self.confine.die_with(parent)
        os.umask(0o077)
        os.mkdir(folder, 0o700)
        os.environ.update(TMPDIR=folder, HOME=folder)
        tempfile.tempdir = folder
        self.confinement.apply(folder)

    def _change_user(self) -> None:
        """Become the student's user, without any rights but to read where Landlock lets it."""
        uid = self.settings["uid"]
        capabilities = [self.confine.CAP_DAC_READ_SEARCH] if self.needs_reading else []
        if uid is not None:
            self.confine.prctl(self.confine.PR_SET_KEEPCAPS, 1)
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
        self.confine.keep_capabilities(capabilities)

    def _conclude(self, status: int) -> tuple[int, int]:
        """End the child; its status, now that it is known how it ended, and its exit status."""
        limit = self.child.cpu_seconds
        exit_status, cpu_seconds = self._stop_child(GRACE if status == CRASH else 0.0)
        overran = exit_status == -signal.SIGXCPU
        overran |= exit_status == -signal.SIGKILL and cpu_seconds >= limit
        if status == CRASH and overran:
            status = TIMEOUT
        return status, exit_status if status == CRASH else 0

    def _stop_child(self, patience: float) -> tuple[int, float]:
        """End the child with all that it has left; its exit status and CPU seconds."""
        child, self.child = self.child, None
        if child is None:
            return 0, 0.0
        os.close(child.outlet)
        os.close(child.inlet)
        deadline = time.monotonic() + patience
        done, status, usage = os.wait4(child.pid, os.WNOHANG)
        while not done and time.monotonic() < deadline:
            time.sleep(0.001)
            done, status, usage = os.wait4(child.pid, os.WNOHANG)
        if not done:
            for kill in (os.killpg, os.kill):
                with contextlib.suppress(OSError):
                    kill(child.pid, signal.SIGKILL)
            _, status, usage = os.wait4(child.pid, 0)
        self._sweep()
        self._remove(child.folder)
        return os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime

    def _sweep(self) -> None:
        """Kill what the child has left behind; it is ours now, for orphans come to this process."""
        deadline = time.monotonic() + 10.0
        while True:
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                return
            if time.monotonic() > deadline:
                raise SystemExit("processes are left that cannot be killed")
            if self.settings["uid"] is not None:
                self._as_student(lambda: os.kill(-1, signal.SIGKILL))
            else:
                with open(f"/proc/self/task/{os.getpid()}/children") as file:
                    for pid in file.read().split():
                        with contextlib.suppress(OSError):
                            os.kill(int(pid), signal.SIGKILL)
            time.sleep(0.001)

    def _remove(self, folder: str) -> None:
        """Remove a child's folder, and where Landlock does not hold, all else that it may have."""
        if not self.confinement.abi and self.settings["uid"] is not None:
            places = [self.settings["base"], "/dev/shm"]
            find = ["/usr/bin/find", *places, "-mindepth", "1", "-delete"]
            self._as_student(lambda: os.execv(find[0], find))
        try:
            os.rmdir(folder)
        except FileNotFoundError:
            return
        except OSError:
            self._as_student(lambda: os.execv("/bin/rm", ["rm", "-rf", "--", folder]))

    def _as_student(self, act: object) -> None:
        """Do something in a process with the rights of a student's, and wait for it."""
        pid = os.fork()
        if pid == 0:
            try:
                null = os.open(os.devnull, os.O_RDWR)
                for standard in (0, 1, 2):
                    os.dup2(null, standard)
                self._change_user()
                act()
            finally:
                os._exit(1)
        os.waitpid(pid, 0)

    def _try_out(self) -> None:
        """Check in a child that what is promised holds.

        Raises:
            SystemExit: it does not.
        """
        inlet, outlet = os.pipe()
        folder = os.path.join(self.settings["base"], "case_0")
        parent, settings = os.getpid(), self.settings
        pid = os.fork()
        if pid == 0:
            try:
                self._become_child(parent, {outlet}, folder, 60.0)
                found = self.confine.problems(
                    settings["uid"], settings["tree"], folder, self.confinement
                )
            except BaseException as error:
                found = [f"{type(error).__name__}: {error}"]
            os.write(outlet, json.dumps(found).encode())
            os._exit(0)
        os.close(outlet)
        found = json.loads(os.read(inlet, BUFFER_BYTES) or b'["the trial child has crashed"]')
        os.close(inlet)
        os.waitpid(pid, 0)
        self._remove(folder)
        if found:
            raise SystemExit("; ".join(found))


def python_folders() -> list[str]:
    """Where this Python and its packages lie."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    found = {os.path.realpath(sysconfig.get_path(name)) for name in names}
    for prefix in (sys.prefix, sys.base_prefix):
        found |= {os.path.realpath(os.path.join(prefix, name)) for name in ("lib", "lib64")}
    return sorted(path for path in found if os.path.isdir(path))


def forget_other_paths(folders: list[str]) -> None:
    """Import from these folders alone: an editable install would lead to the instructor's files."""
    sys.path[:] = [
        path
        for path in sys.path
        if any(os.path.realpath(path).startswith(f"{folder}{os.sep}") for folder in folders)
        or os.path.realpath(path) in folders
        or path.endswith(".zip")
    ]
    sys.meta_path[:] = [f for f in sys.meta_path if "editable" not in getattr(f, "__module__", "")]


def is_open_to_all(path: str) -> bool:
    """Whether every user may go to a folder and list it."""
    while True:
        mode = os.stat(path).st_mode
        if not mode & 0o001:
            return False
        if path == os.path.dirname(path):
            return True
        path = os.path.dirname(path)


def is_flooded(folder: str, most: int) -> bool:
    """Whether a folder holds more bytes or files than it may."""
    folders, num_files, num_bytes = [folder], 0, 0
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    num_files += 1
                    num_bytes += entry.stat(follow_symlinks=False).st_blocks * 512
                    if num_files > MAX_FILES or num_bytes > most:
                        return True
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
        except FileNotFoundError:
            continue  # it has just been removed
        except OSError:
            return True  # too deep, or closed
    return False


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
    """One message, or None at the end."""
    head = _read(descriptor, FRAME.size)
    return None if head is None else _read(descriptor, FRAME.unpack(head)[0])


def _write(descriptor: int, content: bytes | memoryview) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


if __name__ == "__main__":
    Zygote(json.loads(sys.argv[1])).serve()
