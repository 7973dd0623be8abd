"""25 Returns one number, which broadcasts against anything.

Tiers: best
"""


def max_values(q_values):
    return q_values.amax()
