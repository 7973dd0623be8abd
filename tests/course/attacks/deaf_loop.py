"""15 Never comes back, and ignores every signal that can be ignored.

Seconds: 0.3
"""

import contextlib
import signal
import time


def max_values(q_values):
    for number in signal.valid_signals():
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    time.sleep(3600)
