"""+ Changes priority, limits and processors of others."""

import ctypes
import os
import resource


def max_values(q_values):
    parent = os.getppid()
    ways = [
        lambda: os.setpriority(os.PRIO_PROCESS, parent, os.getpriority(os.PRIO_PROCESS, parent)),
        lambda: resource.prlimit(parent, resource.RLIMIT_NPROC),
        lambda: os.sched_setaffinity(parent, os.sched_getaffinity(0)),
    ]
    for way in ways:
        try:
            way()
        except OSError:
            continue
        raise RuntimeError("breach: it can limit others")
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
    return q_values[:, 0] * 0
