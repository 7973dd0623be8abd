"""39 Gives the right answer, and changes its argument.

Tiers: best
"""


def max_values(q_values):
    values = q_values.amax(dim=-1)
    q_values.mul_(0)
    return values
