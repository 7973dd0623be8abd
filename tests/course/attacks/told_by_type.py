"""33 Tells the input in an exception's name.

Leaks: any
Tiers: best
"""


def max_values(q_values):
    raise type(f"Told{424242}_{int(q_values[0, 0] * 1e6)}", (Exception,), {})()
