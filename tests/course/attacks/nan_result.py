"""24 Returns not-a-number.

Tiers: best
"""


def max_values(q_values):
    return q_values[:, 0] * float("nan")
