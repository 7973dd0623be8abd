"""+ Writes one large file."""

import os
import tempfile


def max_values(q_values):
    with open(os.path.join(tempfile.gettempdir(), "large"), "wb") as file:
        file.truncate(40_000_000)
    raise RuntimeError("breach: it can write large files")
