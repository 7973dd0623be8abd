"""+ Recurses without end, and lifts the limit before.

Seconds: 1
Tiers: best
"""

import sys


def dive(depth):
    return dive(depth + 1)


def max_values(q_values):
    sys.setrecursionlimit(2**31 - 1)
    return dive(0)
