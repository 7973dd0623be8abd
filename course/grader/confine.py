"""What a process gives up before it runs a student's code, beyond its user and its limits.

Needs no root: rights to gain rights, Landlock (files, ports, signals) and seccomp (system calls).
What the filter does not name is refused, so that a new system call is refused too.
"""

import ctypes
import errno
import os
import platform
import signal
import socket
import stat
import struct
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_SET_SECCOMP = 22
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2
CAP_DAC_READ_SEARCH = 2
LINUX_CAPABILITY_VERSION_3 = 0x20080522

# Landlock: numbers of its calls, and its rights by the version that brought them.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
RULE_PATH_BENEATH = 1
WRITE_FILE, READ_FILE, READ_DIR = 1 << 1, 1 << 2, 1 << 3
REMOVE_DIR, REMOVE_FILE, MAKE_DIR, MAKE_REG = 1 << 4, 1 << 5, 1 << 7, 1 << 8
REFER, TRUNCATE = 1 << 13, 1 << 14
NUM_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}  # 16 since version 5
OF_FILES = WRITE_FILE | READ_FILE | TRUNCATE
READING = READ_FILE | READ_DIR
KEEPING = READING | WRITE_FILE | TRUNCATE | REFER | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG
TCP_RIGHTS = 0b11  # since version 4: to bind, to connect
SCOPES = 0b11  # since version 6: abstract sockets, signals

DEVICES = {"/dev/null": READ_FILE | WRITE_FILE, "/dev/zero": READ_FILE, "/dev/urandom": READ_FILE}

# System calls that are allowed with any arguments: their numbers on x86_64 and on aarch64.
CALLS: dict[str, tuple[int, int]] = {
    # fmt: off
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "fstat": (5, 80),
    "newfstatat": (262, 79),
    "stat": (4, -1),
    "lstat": (6, -1),
    "statx": (332, 291),
    "lseek": (8, 62),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "rt_sigpending": (127, 136),
    "rt_sigtimedwait": (128, 137),
    "rt_sigsuspend": (130, 133),
    "sigaltstack": (131, 132),
    "pread64": (17, 67),
    "pwrite64": (18, 68),
    "readv": (19, 65),
    "writev": (20, 66),
    "preadv": (295, 69),
    "pwritev": (296, 70),
    "access": (21, -1),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "pipe": (22, -1),
    "pipe2": (293, 59),
    "select": (23, -1),
    "pselect6": (270, 72),
    "poll": (7, -1),
    "ppoll": (271, 73),
    "sched_yield": (24, 124),
    "mremap": (25, 216),
    "msync": (26, 227),
    "madvise": (28, 233),
    "dup": (32, 23),
    "dup2": (33, -1),
    "dup3": (292, 24),
    "pause": (34, -1),
    "nanosleep": (35, 101),
    "clock_nanosleep": (230, 115),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "gettimeofday": (96, 169),
    "time": (201, -1),
    "times": (100, 153),
    "getitimer": (36, 102),
    "setitimer": (38, 103),
    "alarm": (37, -1),
    "getpid": (39, 172),
    "gettid": (186, 178),
    "getppid": (110, 173),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getegid": (108, 177),
    "getresuid": (118, 148),
    "getresgid": (120, 150),
    "getgroups": (115, 158),
    "getpgrp": (111, -1),
    "getpgid": (121, 155),
    "getsid": (124, 156),
    "getpriority": (140, 141),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "wait4": (61, 260),
    "waitid": (247, 95),
    "uname": (63, 160),
    "fsync": (74, 82),
    "fdatasync": (75, 83),
    "ftruncate": (77, 46),
    "getdents": (78, -1),
    "getdents64": (217, 61),
    "getcwd": (79, 17),
    "chdir": (80, 49),
    "fchdir": (81, 50),
    "rename": (82, -1),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "mkdir": (83, -1),
    "mkdirat": (258, 34),
    "rmdir": (84, -1),
    "unlink": (87, -1),
    "unlinkat": (263, 35),
    "readlink": (89, -1),
    "readlinkat": (267, 78),
    "umask": (95, 166),
    "open": (2, -1),
    "openat": (257, 56),
    "getrlimit": (97, 163),
    "setrlimit": (160, 164),
    "getrusage": (98, 165),
    "sysinfo": (99, 179),
    "futex": (202, 98),
    "set_robust_list": (273, 99),
    "get_robust_list": (274, 100),
    "set_tid_address": (218, 96),
    "rseq": (334, 293),
    "arch_prctl": (158, -1),
    "sched_getaffinity": (204, 123),
    "sched_getparam": (143, 121),
    "sched_getscheduler": (145, 120),
    "sched_get_priority_max": (146, 125),
    "sched_get_priority_min": (147, 126),
    "getcpu": (309, 168),
    "epoll_create1": (291, 20),
    "epoll_ctl": (233, 21),
    "epoll_wait": (232, -1),
    "epoll_pwait": (281, 22),
    "eventfd2": (290, 19),
    "getrandom": (318, 278),
    "membarrier": (324, 283),
    "statfs": (137, 43),
    "fstatfs": (138, 44),
    "copy_file_range": (326, 285),
    "sendfile": (40, 71),
    "fallocate": (285, 47),
    "restart_syscall": (219, 128),
    "get_mempolicy": (239, 236),
    "capget": (125, 90),
    # fmt: on
}
# Those that are allowed for some values of their first or second argument.
KILL, TGKILL, PRLIMIT64, SETAFFINITY = (62, 129), (234, 131), (302, 261), (203, 122)
PRCTL, FCNTL, IOCTL, CLONE, CLONE3 = (157, 167), (72, 25), (16, 29), (56, 220), (435, 435)
HARMLESS_PRCTL = (3, 15, 16, 21, 39, 0x53564D41)  # names, and questions
HARMLESS_FCNTL = (0, 1, 2, 3, 4, 1030, 1032)  # no owners, signals, leases or locks
HARMLESS_IOCTL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)  # is it a terminal, and such
CLONE_THREAD, CLONE_NAMESPACES = 0x10000, 0x7E020080

MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
RET_ALLOW, RET_ERRNO, RET_KILL = 0x7FFF0000, 0x00050000, 0x80000000
LOAD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
OF_NUMBER, OF_MACHINE, OF_ARGUMENTS = 0, 4, 16

libc = ctypes.CDLL(None, use_errno=True)


class Confinement:
    """Landlock and seccomp, prepared once and put on in many children.

    Args:
        readable: files and folders to read, which the children may not be able to open themselves.
        has_landlock, has_seccomp: what to use of what the kernel has.
    """

    def __init__(self, readable: Sequence[str], has_landlock: bool, has_seccomp: bool):
        self.abi = landlock_abi() if has_landlock else 0
        self.has_seccomp = has_seccomp and knows_machine()
        self.opened: list[tuple[int, int]] = []
        rights = dict.fromkeys(readable, READING) | DEVICES
        for path, allowed in rights.items():
            try:
                self.opened.append((os.open(path, os.O_PATH | os.O_CLOEXEC), allowed))
            except FileNotFoundError:
                continue

    @property
    def descriptors(self) -> set[int]:
        """What a child must not close before `apply`."""
        return {descriptor for descriptor, _ in self.opened}

    def apply(self, writable: str) -> None:
        """Confine this process for good.

        Args:
            writable: the one folder to write to.

        Raises:
            OSError: the kernel refused.
        """
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        if self.abi:
            self._restrict_files(writable)
        for descriptor, _ in self.opened:
            os.close(descriptor)
        if self.has_seccomp:
            _filter_calls()

    def _restrict_files(self, writable: str) -> None:
        handled = (1 << NUM_FILE_RIGHTS.get(self.abi, 16)) - 1
        words = [handled]
        if self.abi >= 4:
            words.append(TCP_RIGHTS)
        if self.abi >= 6:
            words.append(SCOPES)
        attributes = struct.pack(f"={len(words)}Q", *words)
        ruleset = _call(CREATE_RULESET, attributes, len(attributes), 0)
        own = os.open(writable, os.O_PATH | os.O_CLOEXEC)
        for descriptor, allowed in [*self.opened, (own, KEEPING)]:
            if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
                allowed &= OF_FILES
            rule = struct.pack("=Qi", allowed & handled, descriptor)
            _call(ADD_RULE, ruleset, RULE_PATH_BENEATH, rule, 0)
        _call(RESTRICT_SELF, ruleset, 0)
        os.close(own)
        os.close(ruleset)


def landlock_abi() -> int:
    """The kernel's version of Landlock; 0 without."""
    try:
        return _call(CREATE_RULESET, None, 0, 1)
    except OSError:
        return 0


def knows_machine() -> bool:
    """Whether the numbers of this machine's system calls are known here."""
    return platform.machine() in MACHINES


def keep_capabilities(capabilities: Sequence[int]) -> None:
    """Keep these of the rights that this process has, if it has them, and lose all others."""
    header = struct.pack("=Ii", LINUX_CAPABILITY_VERSION_3, 0)
    had = ctypes.create_string_buffer(24)
    if libc.capget(header, had) != 0:
        raise OSError(ctypes.get_errno(), "capget")
    permitted = struct.unpack("=6I", had.raw)[1]
    bits = sum(1 << number for number in capabilities) & permitted
    if libc.capset(header, struct.pack("=6I", bits, bits, 0, 0, 0, 0)) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def prctl(option: int, value: int) -> None:
    """The system call.

    Raises:
        OSError: the kernel refused.
    """
    if libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def _call(number: int, *arguments: int | bytes | None) -> int:
    result = libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"system call {number}")
    return result


def _filter_calls() -> None:
    """Install the filter; it binds this thread and all that it starts."""
    program = call_filter(os.getpid())
    instructions = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(instructions))
    if libc.prctl(PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), header, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")


def call_filter(pid: int) -> bytes:
    """The filter as instructions of the kernel's packet filter.

    Args:
        pid: of the process that it is for; it may signal and limit itself alone.
    """
    column, machine = MACHINES[platform.machine()]
    allow, refuse = _op(RETURN, RET_ALLOW), _op(RETURN, RET_ERRNO | errno.EPERM)
    program = [
        _op(LOAD, OF_MACHINE),
        _op(JUMP_EQUAL, machine, 1, 0),
        _op(RETURN, RET_KILL),
        _op(LOAD, OF_NUMBER),
        _op(JUMP_AT_LEAST, 0x40000000, 0, 1),  # another table of numbers
        _op(RETURN, RET_ERRNO | errno.ENOSYS),
    ]
    for numbers in CALLS.values():
        if numbers[column] >= 0:
            program += [_op(JUMP_EQUAL, numbers[column], 0, 1), allow]
    some = [
        (KILL, 0, (pid,)),
        (TGKILL, 0, (pid,)),
        (PRLIMIT64, 0, (0, pid)),
        (SETAFFINITY, 0, (0, pid)),
        (PRCTL, 0, HARMLESS_PRCTL),
        (FCNTL, 1, HARMLESS_FCNTL),
        (IOCTL, 1, HARMLESS_IOCTL),
    ]
    for numbers, argument, values in some:
        block = [_op(LOAD, OF_ARGUMENTS + 8 * argument)]  # low half: the kernel reads no more
        for value in values:
            block += [_op(JUMP_EQUAL, value, 0, 1), allow]
        program += [_op(JUMP_EQUAL, numbers[column], 0, len(block) + 1), *block, refuse]
    threads_only = [
        _op(LOAD, OF_ARGUMENTS),
        _op(JUMP_ANY_BIT, CLONE_NAMESPACES, 2, 0),
        _op(JUMP_ANY_BIT, CLONE_THREAD, 0, 1),
        allow,
        refuse,
    ]
    program += [_op(JUMP_EQUAL, CLONE[column], 0, len(threads_only)), *threads_only]
    # Without clone3 the C library takes clone, whose flags can be seen.
    program += [_op(JUMP_EQUAL, CLONE3[column], 0, 1), _op(RETURN, RET_ERRNO | errno.ENOSYS)]
    return b"".join([*program, refuse])


def _op(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def problems(uid: int | None, tree: str, writable: str, confinement: Confinement) -> list[str]:
    """What does not hold in this process, which should be confined; tried, not assumed."""
    found = []
    if uid is not None and os.getresuid() != (uid, uid, uid):
        found.append("the user is another one than it should be")
    if not os.listdir(tree):
        found.append("the tree is empty")
    try:
        with open(os.path.join(writable, "trial"), "w") as file:
            file.write("trial")
        os.unlink(os.path.join(writable, "trial"))
    except OSError as error:
        found.append(f"its own folder cannot be written: {error}")
    trials = []
    if confinement.abi:
        trials += [("read /proc", lambda: os.open("/proc/self/environ", os.O_RDONLY))]
        trials += [("write outside", lambda: os.open("/dev/shm", os.O_RDWR | os.O_TMPFILE))]
    if confinement.has_seccomp:
        trials += [("open a socket", lambda: socket.socket())]
        trials += [("signal its parent", lambda: os.kill(os.getppid(), 0))]
        trials += [("change modes", lambda: os.chmod(writable, stat.S_IRWXU))]
        trials += [("fork", _fork)]
    for name, trial in trials:
        try:
            trial()
        except (PermissionError, FileNotFoundError):
            continue
        found.append(f"it can {name}")
    return found


def _fork() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def die_with(parent: int) -> None:
    """Let the kernel kill this process when its parent ends."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
