"""+ Returns a generator.

Tiers: best
"""


def max_values(q_values):
    return (row.max() for row in q_values)
