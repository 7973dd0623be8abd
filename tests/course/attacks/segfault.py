"""16 Reads from address 0.

Tiers: best
"""

import ctypes


def max_values(q_values):
    ctypes.string_at(0)
