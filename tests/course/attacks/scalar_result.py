"""25 Returns one number, which broadcasts against anything."""


def max_values(q_values):
    return q_values.amax()
