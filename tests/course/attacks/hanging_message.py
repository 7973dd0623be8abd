"""33 An exception whose text never comes.

Seconds: 0.3
Tiers: best
"""


class Silent(Exception):
    def __str__(self):
        while True:
            pass


def max_values(q_values):
    raise Silent
