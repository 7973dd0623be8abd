"""24 Returns not-a-number."""


def max_values(q_values):
    return q_values[:, 0] * float("nan")
