"""23 Asks for size and time of the instructor's files, without opening them."""

import os


def max_values(q_values):
    for path in ("REPOSITORY/hw/agents/functional/td.py", "REPOSITORY/course/grade.py"):
        try:
            os.stat(path)
        except OSError:
            continue
        raise RuntimeError("breach: it can see which files there are")
    return q_values[:, 0] * 0
