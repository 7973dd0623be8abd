"""13 Announces a header of four gigabytes in a short message.

Tiers: best
"""

import contextlib
import os
import struct


def max_values(q_values):
    message = struct.pack(">I", 2**32 - 1) + b"{}"
    for descriptor in range(64):
        with contextlib.suppress(OSError):
            os.write(descriptor, struct.pack(">Q", len(message)) + message)
    os._exit(0)
