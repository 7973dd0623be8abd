"""24 Returns infinities.

Tiers: best
"""


def max_values(q_values):
    return q_values[:, 0] * 0 + float("inf")
