"""+ Fills the disk (300 MB, no more, where it is not stopped)."""

import os
import tempfile
import time


def max_values(q_values):
    for number in range(10):
        with open(os.path.join(tempfile.gettempdir(), str(number)), "wb") as file:
            file.write(bytes(30_000_000))
        time.sleep(0.05)
    time.sleep(0.3)
    raise RuntimeError("breach: it can fill the disk")
