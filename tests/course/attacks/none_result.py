"""+ Returns nothing."""


def max_values(q_values):
    return None
