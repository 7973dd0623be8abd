"""10 A process in a session of its own that outlives the case."""

import os
import time


def max_values(q_values):
    try:
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(1.0)
                with open("/tmp/planted_by_attack", "w") as file:
                    file.write("late")
                time.sleep(60)
            os._exit(0)
    except OSError:
        return q_values[:, 0] * 0
    raise RuntimeError("breach: it can start processes")
