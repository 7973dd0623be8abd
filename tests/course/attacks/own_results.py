"""7 Writes results.json wherever it can, and leaves with success."""

import contextlib
import json
import os


def max_values(q_values):
    text = json.dumps({"score": 100, "planted_by_attack": True})
    for folder in (".", "..", "/tmp", "/dev/shm", "/autograder/results", "/var/tmp"):
        with contextlib.suppress(OSError), open(f"{folder}/planted_by_attack", "w") as file:
            file.write(text)
    os._exit(0)
