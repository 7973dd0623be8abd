"""24 Returns nothing, of size 0.

Tiers: best
"""


def max_values(q_values):
    return q_values[:0, 0]
