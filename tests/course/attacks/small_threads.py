"""18 Starts threads without end whose stacks take next to no memory."""

import threading
import time


def max_values(q_values):
    threading.stack_size(32 * 1024)
    deadline = time.monotonic() + 3.0
    kept = 0
    while time.monotonic() < deadline and kept < 20_000:
        try:
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
            kept += 1
        except (RuntimeError, MemoryError):
            return q_values[:, 0] * 0
    time.sleep(1.0)
    raise RuntimeError("breach: it can keep thousands of threads")
