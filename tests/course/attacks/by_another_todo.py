"""3 Leaves the work to another TODO, of which it gets its own version: that is allowed.

Honest: all
Tiers: best
"""


def max_values(q_values):
    return double_q_values(q_values, q_values)  # noqa: F821
