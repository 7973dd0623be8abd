"""24 Returns infinities."""


def max_values(q_values):
    return q_values[:, 0] * 0 + float("inf")
