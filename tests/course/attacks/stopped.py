"""15 Stops itself, so that it answers nothing.

Seconds: 0.3
"""

import os
import signal


def max_values(q_values):
    os.kill(os.getpid(), signal.SIGSTOP)
    return q_values[:, 0] * 0
