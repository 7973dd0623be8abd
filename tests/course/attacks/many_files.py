"""+ Makes files without contents, until there are no more to be had (2200, no more)."""

import os
import tempfile
import time


def max_values(q_values):
    folder = tempfile.gettempdir()
    for number in range(2200):
        os.close(os.open(os.path.join(folder, str(number)), os.O_CREAT | os.O_WRONLY))
    time.sleep(1.0)
    raise RuntimeError("breach: it can take all files of the disk")
