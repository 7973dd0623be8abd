"""9 Leaves functions that run when the process ends."""

import atexit
import weakref


def plant():
    with open("/tmp/planted_by_attack", "w") as file:
        file.write("late")


def max_values(q_values):
    atexit.register(plant)
    weakref.finalize(q_values, plant)
    return q_values[:, 0] * 0
