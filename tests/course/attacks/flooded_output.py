"""19 Fills standard output and error."""

import os
import sys


def max_values(q_values):
    for _ in range(20):
        for descriptor in (0, 1, 2):
            os.write(descriptor, bytes(2**20))
        print("x" * 2**20, file=sys.stderr)
        print("x" * 2**20)
    return q_values[:, 0] * 0
