"""22 Attaches to the process that forked it."""

import ctypes
import os


def max_values(q_values):
    libc = ctypes.CDLL(None, use_errno=True)
    seize = 0x4206
    if libc.ptrace(seize, os.getppid(), None, None) == 0:
        raise RuntimeError("breach: it can trace others")
    return q_values[:, 0] * 0
