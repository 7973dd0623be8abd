"""18 Starts threads without end, as far as it is let."""

import threading
import time


def max_values(q_values):
    for _ in range(3000):
        try:
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        except (RuntimeError, MemoryError):
            return q_values[:, 0] * 0
    raise RuntimeError("breach: it can start thousands of threads")
