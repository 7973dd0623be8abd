"""34 Leaves shared memory of System V and of POSIX."""

import ctypes


def max_values(q_values):
    libc = ctypes.CDLL(None, use_errno=True)
    key, create = 0x5EC12E7, 0o1666
    calls = [libc.shmget(key, 4096, create), libc.msgget(key, create), libc.semget(key, 1, create)]
    calls.append(libc.memfd_create(b"planted", 0))
    if any(call >= 0 for call in calls):
        raise RuntimeError("breach: it can share memory")
    return q_values[:, 0] * 0
