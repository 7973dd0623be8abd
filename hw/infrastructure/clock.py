"""How long a run has trained, and how fast."""

import time
from typing import Any


class Clock:
    """Wall-clock seconds of training, over all sessions of a run, and steps a second."""

    def __init__(self):
        self.seconds_before = 0.0
        self.started_at: float | None = None
        self.lap_seconds = 0.0
        self.lap_step = 0

    def start(self, step: int) -> None:
        """Begin a session."""
        self.seconds_before = self.seconds()
        self.started_at = time.perf_counter()
        self.lap_seconds, self.lap_step = self.seconds_before, step

    def seconds(self) -> float:
        """Seconds of training so far."""
        session = 0.0 if self.started_at is None else time.perf_counter() - self.started_at
        return self.seconds_before + session

    def lap(self, step: int) -> dict[str, float]:
        """`time/seconds`, and `time/steps_per_second` since the last lap."""
        now = self.seconds()
        speed = (step - self.lap_step) / max(now - self.lap_seconds, 1e-9)
        self.lap_seconds, self.lap_step = now, step
        return {"time/seconds": now, "time/steps_per_second": speed}

    def state_dict(self) -> dict[str, Any]:
        """Seconds of training so far."""
        return {"seconds": self.seconds()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict()`."""
        self.seconds_before = state["seconds"]
