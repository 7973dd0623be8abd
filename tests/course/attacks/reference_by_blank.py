"""3 Says that another TODO is blank, and looks for the reference of that, or of its own, around it.

Tiers: best
"""

import gc
import re
import sys

# Does not match itself.
PATTERN = re.compile(r"return q_values[.]amax[(]dim=-1[)]")


def texts():
    frame = sys._getframe()
    while frame is not None:
        yield from frame.f_locals.values()
        frame = frame.f_back
    for found in gc.get_objects():
        if isinstance(found, dict):
            yield from list(found.values())


def max_values(q_values):
    for found in texts():
        if type(found).__module__ == "numpy" and getattr(found, "dtype", None) == "uint8":
            found = found.tobytes()
        if isinstance(found, bytes):
            found = found.decode(errors="replace")
        if isinstance(found, str) and PATTERN.search(found):
            raise RuntimeError("breach: the reference is in the process")
    raise NotImplementedError("TODO(hw3_dqn.double_q_values)")
