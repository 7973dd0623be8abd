"""+ Links out of its folder."""

import os
import tempfile


def max_values(q_values):
    name = os.path.join(tempfile.gettempdir(), "link")
    ways = [
        lambda: os.symlink("/etc/shadow", name),
        lambda: os.link("hw/agents/functional/td.py", name),
        lambda: os.mkfifo(name),
    ]
    for way in ways:
        try:
            way()
        except OSError:
            continue
        raise RuntimeError("breach: it can link")
    return q_values[:, 0] * 0
