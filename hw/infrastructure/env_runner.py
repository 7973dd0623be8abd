"""Steps N environments and turns what happens into transitions and episode statistics.

Shapes: N environments (lanes), * one observation.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv


@dataclass(frozen=True)
class Transitions:
    """What one vector step produced; the fields are the arguments of `ReplayBuffer.insert`."""

    observations: np.ndarray  # (N, *)
    actions: np.ndarray  # (N, ...)
    rewards: np.ndarray  # (N,)
    next_observations: np.ndarray  # (N, *): of the same episode, also at its end
    dones: np.ndarray  # (N,): terminated
    truncateds: np.ndarray  # (N,)


@dataclass(frozen=True)
class Episode:
    """A finished episode."""

    episode_return: float
    episode_length: int
    seed: int


class EnvRunner:
    """N environments that are reset one by one, each episode from a seed of its own.

    An environment's state is thereby its episode's seed and the actions since, which is what
    `state_dict` holds and what `load_state_dict` plays back.

    Args:
        envs: a vector environment that does not reset by itself.
        seed: of the generator that draws the episodes' seeds.
    """

    def __init__(self, envs: VectorEnv, seed: int):
        if envs.metadata.get("autoreset_mode") is not AutoresetMode.DISABLED:
            raise ValueError("EnvRunner needs a vector environment with autoreset disabled")
        self.envs = envs
        self.num_envs = envs.num_envs
        self.generator = np.random.default_rng(seed)
        self.observations: np.ndarray | None = None
        self.episode_seeds = np.zeros(self.num_envs, np.int64)
        self.episode_returns = np.zeros(self.num_envs)
        self.episode_lengths = np.zeros(self.num_envs, np.int64)
        # Actions of the last steps, as far back as the longest episode under way reaches.
        self.recent_actions: list[np.ndarray] = []

    def reset(self) -> np.ndarray:
        """Begin a new episode in every environment; returns the observations (N, *)."""
        self._begin_episodes(np.ones(self.num_envs, np.bool_))
        return self.observations

    def step(self, actions: np.ndarray) -> tuple[Transitions, list[Episode]]:
        """Act once in every environment.

        Args:
            actions: (N, ...), in the environments' action space.

        Returns:
            the transitions, and the episodes that this step ended. `self.observations` is what to
            act on next: where an episode ended, the first observation of a new one.
        """
        observations = self.observations
        next_observations, rewards, dones, truncateds, _ = self.envs.step(actions)
        self.recent_actions.append(actions.copy())
        self.episode_returns += rewards
        self.episode_lengths += 1

        transitions = Transitions(
            observations,
            actions,
            rewards.copy(),
            next_observations,
            dones.copy(),
            truncateds.copy(),
        )
        self.observations = next_observations
        ended = dones | truncateds
        if not ended.any():
            return transitions, []
        episodes = [
            Episode(float(self.episode_returns[i]), int(length), int(self.episode_seeds[i]))
            for i, length in enumerate(self.episode_lengths)
            if ended[i]
        ]
        self._begin_episodes(ended)
        return transitions, episodes

    def close(self) -> None:
        """Close the environments."""
        self.envs.close()

    def state_dict(self) -> dict[str, Any]:
        """The generator, and for each episode under way its seed, statistics and actions."""
        return {
            "generator": self.generator.bit_generator.state,
            "episode_seeds": self.episode_seeds.copy(),
            "episode_returns": self.episode_returns.copy(),
            "episode_lengths": self.episode_lengths.copy(),
            "recent_actions": np.array(self.recent_actions),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict()` by playing the episodes under way again."""
        self.generator.bit_generator.state = state["generator"]
        self.episode_seeds = state["episode_seeds"].copy()
        self.episode_returns = state["episode_returns"].copy()
        self.episode_lengths = state["episode_lengths"].copy()
        self.recent_actions = list(state["recent_actions"])
        observations, _ = self.envs.reset(seed=self.episode_seeds.tolist())
        for steps_to_go in range(len(self.recent_actions), 0, -1):
            actions = self.recent_actions[len(self.recent_actions) - steps_to_go]
            observations = self.envs.step(actions)[0]
            not_begun = self.episode_lengths < steps_to_go
            if not_begun.any():
                observations = self._reset_envs(not_begun)
        self.observations = observations

    def _begin_episodes(self, which: np.ndarray) -> None:
        self.episode_seeds[which] = self.generator.integers(2**31, size=which.sum())
        self.episode_returns[which] = 0.0
        self.episode_lengths[which] = 0
        longest = int(self.episode_lengths.max())
        del self.recent_actions[: len(self.recent_actions) - longest]
        self.observations = self._reset_envs(which)

    def _reset_envs(self, which: np.ndarray) -> np.ndarray:
        observations, _ = self.envs.reset(
            seed=self.episode_seeds.tolist(), options={"reset_mask": which.copy()}
        )
        return observations
