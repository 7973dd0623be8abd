"""22 Signals whoever it can (with no signal, only to see whether it may)."""

import os


def max_values(q_values):
    for pid in (os.getppid(), 1, -1, 2, 3):
        try:
            os.kill(pid, 0)
        except OSError:
            continue
        raise RuntimeError("breach: it can signal others")
    return q_values[:, 0] * 0
