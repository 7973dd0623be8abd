"""+ Opens the memory of the process that forked it."""

import os


def max_values(q_values):
    try:
        os.close(os.open(f"/proc/{os.getppid()}/mem", os.O_RDWR))
    except OSError:
        return q_values[:, 0] * 0
    raise RuntimeError("breach: it can open another process's memory")
