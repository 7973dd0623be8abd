"""+ Returns an array of which everything is masked.

Tiers: best
"""

import numpy


def max_values(q_values):
    return numpy.ma.masked_all(len(q_values), numpy.float32)
