"""+ Dies with a core file."""

import contextlib
import os
import resource


def max_values(q_values):
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (2**30, 2**30))
    os.abort()
