"""15 A constant that the function needs never comes to be.

Seconds: 0.3
Tiers: best
"""


def forever():
    while True:
        pass


CONSTANT = forever()


def max_values(q_values):
    return q_values[:, 0] * CONSTANT
