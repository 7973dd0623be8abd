"""17 Takes memory piece by piece, and never gives it back."""

KEPT = []


def max_values(q_values):
    while True:
        KEPT.append(bytes(2**27))
