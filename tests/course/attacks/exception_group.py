"""+ Raises a group of exceptions, one within another.

Tiers: best
"""


def max_values(q_values):
    error = ValueError("424242")
    for _ in range(2000):
        error = ExceptionGroup("424242", [error])
    raise error
