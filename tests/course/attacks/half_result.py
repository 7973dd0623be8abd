"""+ Returns a tensor of less precision.

Tiers: best
"""


def max_values(q_values):
    return q_values.amax(dim=-1).bfloat16()
