"""Ending a loop cleanly at Ctrl-C or SIGTERM."""

import signal
import threading
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class GracefulStop:
    """Within this context the first signal only sets `is_requested`; a second one interrupts.

    Outside the main thread, where Python lets nobody handle signals, it does nothing.
    """

    def __init__(self):
        self.is_requested = False
        self._previous: list = []

    def __enter__(self) -> "GracefulStop":
        self.is_requested = False
        if threading.current_thread() is threading.main_thread():
            self._previous = [signal.signal(number, self._request) for number in SIGNALS]
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in zip(SIGNALS, self._previous, strict=False):
            signal.signal(number, handler)
        self._previous = []

    def _request(self, number: int, frame: FrameType | None) -> None:
        if self.is_requested:
            raise KeyboardInterrupt
        self.is_requested = True
