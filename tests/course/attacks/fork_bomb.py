"""18 Starts processes (eight, no more, where it is not stopped)."""

import os
import time


def max_values(q_values):
    for _ in range(8):
        try:
            child = os.fork()
        except OSError:
            return q_values[:, 0] * 0
        if child == 0:
            time.sleep(60)
            os._exit(0)
    raise RuntimeError("breach: it can start processes")
