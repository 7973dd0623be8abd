"""23 Looks at all processes through /proc."""

import os


def max_values(q_values):
    try:
        others = [name for name in os.listdir("/proc") if name.isdigit()]
        for name in others:
            if int(name) != os.getpid():
                with open(f"/proc/{name}/cmdline") as file:
                    file.read()
    except OSError:
        return q_values[:, 0] * 0
    raise RuntimeError("breach: it sees other processes")
