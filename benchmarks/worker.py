"""What the workers of run.py share: obey lines of standard input, report seconds."""

import sys
import time
from collections.abc import Callable


def serve(train: Callable[[int], None]) -> None:
    """For each number on standard input, train for so many steps and print how long it took."""
    for line in sys.stdin:
        started_at = time.perf_counter()
        train(int(line))
        print(f"seconds {time.perf_counter() - started_at}", flush=True)
