"""14 A header with numbers that JSON has not, and one too long to be read.

Tiers: best
"""

import contextlib
import os
import struct


def max_values(q_values):
    numbers = f"[NaN, Infinity, -Infinity, 1e999, {'9' * 20_000}]"
    header = f'{{"values": {{"score": {numbers}}}, "arrays": []}}'.encode()
    message = struct.pack(">I", len(header)) + header
    for descriptor in range(64):
        with contextlib.suppress(OSError):
            os.write(descriptor, struct.pack(">Q", len(message)) + message)
    os._exit(0)
