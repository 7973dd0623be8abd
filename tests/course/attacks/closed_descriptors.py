"""+ Closes all descriptors, and goes on."""

import os
import time


def max_values(q_values):
    os.closerange(0, 64)
    time.sleep(3600)
