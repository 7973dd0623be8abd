"""Running statistics of a training run."""

from collections import deque
from typing import Any

import numpy as np

from hw.infrastructure.env_runner import Episode

WINDOWS = (10, 100)


class MetricsTracker:
    """Remembers the last episodes and the last update, and turns them into loggable numbers."""

    def __init__(self):
        self.num_episodes = 0
        self.num_updates = 0
        self.returns: deque[float] = deque(maxlen=max(WINDOWS))
        self.lengths: deque[int] = deque(maxlen=max(WINDOWS))
        self.last_update: dict[str, Any] = {}

    def add_episode(self, episode: Episode) -> None:
        """Take note of a finished training episode."""
        self.num_episodes += 1
        self.returns.append(episode.episode_return)
        self.lengths.append(episode.episode_length)

    def add_update(self, metrics: dict[str, Any]) -> None:
        """Take note of what `agent.update` returned; nothing is copied off the device.

        What this update did not report (a delayed actor's loss) stays as it was.
        """
        self.num_updates += 1
        self.last_update = {**self.last_update, **metrics}

    def episode_metrics(self) -> dict[str, float]:
        """Means over the last 10 and 100 episodes; empty before the first one ends."""
        if not self.returns:
            return {}
        metrics: dict[str, float] = {"train/num_episodes": self.num_episodes}
        for window in WINDOWS:
            metrics[f"train/return_mean_{window}"] = self.mean_return(window)
            lengths = list(self.lengths)[-window:]
            metrics[f"train/episode_length_mean_{window}"] = float(np.mean(lengths))
        return metrics

    def take_training_metrics(self) -> dict[str, Any]:
        """The latest metrics and the number of updates so far; empty before the first update.

        A vector, which is meant for a histogram, is handed out once.
        """
        if not self.num_updates:
            return {}
        metrics = {**self.last_update, "train/num_updates": self.num_updates}
        self.last_update = {
            k: value for k, value in self.last_update.items() if np.ndim(value) == 0
        }
        return metrics

    def mean_return(self, window: int = WINDOWS[0]) -> float:
        """Mean return of the last episodes, at most `window` of them; nan before the first ends."""
        return float(np.mean(list(self.returns)[-window:])) if self.returns else float("nan")

    def state_dict(self) -> dict[str, Any]:
        """Counters and the windows of episodes."""
        return {
            "num_episodes": self.num_episodes,
            "num_updates": self.num_updates,
            "returns": list(self.returns),
            "lengths": list(self.lengths),
            "last_update": self.last_update,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict()`."""
        self.num_episodes = state["num_episodes"]
        self.num_updates = state["num_updates"]
        self.returns = deque(state["returns"], maxlen=max(WINDOWS))
        self.lengths = deque(state["lengths"], maxlen=max(WINDOWS))
        self.last_update = state["last_update"]
