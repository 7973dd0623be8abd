"""11 Says that the test is to be skipped.

Tiers: best
"""

import unittest


def max_values(q_values):
    raise unittest.SkipTest("not today")
