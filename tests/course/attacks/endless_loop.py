"""15 Never comes back.

Seconds: 0.3
"""


def max_values(q_values):
    while True:
        pass
