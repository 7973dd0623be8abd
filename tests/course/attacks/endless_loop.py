"""15 Never comes back.

Seconds: 1
"""


def max_values(q_values):
    while True:
        pass
