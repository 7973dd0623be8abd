"""+ A name that only looks like the method's, with a Cyrillic letter: it is another's.

Tiers: best
"""


def max_vаlues(q_values):
    return q_values.amax(dim=-1)
