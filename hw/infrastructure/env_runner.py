"""Steps N environments and turns what happens into transitions and episode statistics.

Shapes: N environments (lanes), * one observation.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper

from hw.infrastructure.errors import EnvError, UserError


@dataclass(frozen=True)
class Transitions:
    """What one vector step produced.

    Raw observations are those before a `NormalizeObservation`; without one, the same arrays.
    """

    observations: np.ndarray  # (N, *)
    actions: np.ndarray  # (N, ...)
    rewards: np.ndarray  # (N,)
    next_observations: np.ndarray  # (N, *): of the same episode, also at its end
    dones: np.ndarray  # (N,): terminated
    truncateds: np.ndarray  # (N,)
    raw_observations: np.ndarray  # (N, *)
    raw_next_observations: np.ndarray  # (N, *)


@dataclass(frozen=True)
class Episode:
    """A finished episode; its return is the sum of rewards, before vector wrappers change them."""

    episode_return: float
    episode_length: int
    seed: int


class EnvRunner:
    """N environments that are reset one by one, each episode from a seed of its own.

    An environment's state is thereby its episode's seed and the actions since, which is what
    `state_dict` holds and what `load_state_dict` plays back. Wrappers of the whole vector that keep
    statistics (`NormalizeObservation`) are saved with it.

    A wrapper of the whole vector that changes rewards leaves those it was given in
    `infos["raw_rewards"]`, from which episodes' returns are summed.

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
        self.raw_observations: np.ndarray | None = None
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

        Raises:
            EnvError: an environment failed, or returned an observation that is not finite.
        """
        observations, raw_observations = self.observations, self.raw_observations
        next_observations, rewards, dones, truncateds, infos = self.envs.step(actions)
        check_observations(self.envs, next_observations)
        self.recent_actions.append(actions.copy())
        transitions = Transitions(
            observations,
            actions,
            rewards.copy(),
            next_observations,
            dones.copy(),
            truncateds.copy(),
            raw_observations,
            infos.get("raw_observations", next_observations),
        )
        self.observations = next_observations
        self.raw_observations = transitions.raw_next_observations
        return transitions, self.count_step(infos.get("raw_rewards", rewards), dones, truncateds)

    def count_step(
        self, rewards: np.ndarray, dones: np.ndarray, truncateds: np.ndarray
    ) -> list[Episode]:
        """Add one step to the episodes under way; report those it ended, and begin new ones there.

            episode_returns_i += rewards_i,    episode_lengths_i += 1    in every environment i

        An episode ends where it terminated or was truncated. In those environments, and in no
        others, `_begin_episodes` then draws a new seed, sets both statistics to 0 and resets: one
        call for all of them, and none if no episode ended. What led here has been stored before,
        under the old episode's true next observation, with termination and truncation kept apart.

        Args:
            rewards: (N,), as the task gave them, of any float type; returns are summed in float64.
            dones, truncateds: (N,) bool; both may be true. They are left as they are.

        Returns:
            the episodes that ended, in the order of their environments, with their return (float),
            length (int) and seed (int), each that of the episode that ended.
        """
        self.episode_returns += rewards
        self.episode_lengths += 1
        ended = dones | truncateds
        if not np.count_nonzero(ended):
            return []
        episodes = [
            Episode(
                float(self.episode_returns[i]),
                int(self.episode_lengths[i]),
                int(self.episode_seeds[i]),
            )
            for i in np.flatnonzero(ended)
        ]
        self._begin_episodes(ended)
        return episodes

    def collect_rollouts(
        self, n_steps: int, choose_actions: Callable[[np.ndarray], np.ndarray]
    ) -> tuple[dict[str, np.ndarray], list[Episode]]:
        """Act for `n_steps` steps in every environment, from where it stands.

        Args:
            choose_actions: observations (N, *) -> actions (N, ...).

        Returns:
            a dict of the fields of `Transitions`, but for the raw ones, each (T, N, ...), and the
            episodes that ended.
        """
        if self.observations is None:
            self.reset()
        rows: list[Transitions] = []
        ended: list[Episode] = []
        for _ in range(n_steps):
            transitions, episodes = self.step(choose_actions(self.observations))
            rows.append(transitions)
            ended += episodes
        names = [field.name for field in fields(Transitions) if "raw" not in field.name]
        return {name: np.stack([getattr(row, name) for row in rows]) for name in names}, ended

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
            "observations": self.observations,
            "raw_observations": self.raw_observations,
            "wrappers": wrapper_states(self.envs),
            "is_restorable": is_restorable(self.envs),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict()` by playing the episodes under way again.

        Raises:
            UserError: the environments are, or were, of a kind that cannot play them again.
        """
        if not (is_restorable(self.envs) and state.get("is_restorable", True)):
            raise UserError(
                f"{envs_name(self.envs)}: these environments cannot be brought back to where they "
                "were, so the run cannot be resumed exactly; start a new one, with vectorization "
                "sync, async or native if it is to be resumed"
            )
        self.generator.bit_generator.state = state["generator"]
        self.episode_seeds = state["episode_seeds"].copy()
        self.episode_returns = state["episode_returns"].copy()
        self.episode_lengths = state["episode_lengths"].copy()
        self.recent_actions = list(state["recent_actions"])
        self._play_again()
        self.observations = state["observations"]
        self.raw_observations = state["raw_observations"]
        load_wrapper_states(self.envs, state["wrappers"])

    def _play_again(self) -> None:
        """Bring each environment to where its episode stood, by `recent_actions`.

        All are stepped together, as far back as the longest episode reaches. The others meanwhile
        play on with actions of their past, and are reset when their own episode's turn has come.
        """
        self.envs.reset(seed=self.episode_seeds.tolist())
        for steps_left, actions in zip(
            range(len(self.recent_actions) - 1, -1, -1), self.recent_actions, strict=True
        ):
            *_, dones, truncateds, _ = self.envs.step(actions)
            begins = self.episode_lengths == steps_left
            waits = self.episode_lengths < steps_left
            which = begins | (waits & (dones | truncateds))
            if which.any():
                self._reset_envs(which)

    def _begin_episodes(self, which: np.ndarray) -> None:
        """Draw a seed and begin an episode where `which` (N,) bool is true."""
        self.episode_seeds[which] = self.generator.integers(2**31, size=which.sum())
        self.episode_returns[which] = 0.0
        self.episode_lengths[which] = 0
        longest = int(self.episode_lengths.max())
        del self.recent_actions[: len(self.recent_actions) - longest]
        self._reset_envs(which)

    def _reset_envs(self, which: np.ndarray) -> None:
        self.observations, infos = self.envs.reset(
            seed=self.episode_seeds.tolist(), options={"reset_mask": which.copy()}
        )
        check_observations(self.envs, self.observations)
        self.raw_observations = infos.get("raw_observations", self.observations)


def check_observations(envs: VectorEnv, observations: np.ndarray) -> None:
    """Raise an EnvError if an observation of the N (N, *) is not finite."""
    if observations.dtype.kind != "f":
        return
    # On a few numbers, counting takes half the time of `all()`.
    if np.count_nonzero(np.isfinite(observations)) == observations.size:
        return
    is_finite = np.isfinite(observations.reshape(len(observations), -1)).all(axis=1)
    raise EnvError(
        f"{envs_name(envs)}, environment {is_finite.argmin()}: the observation is not finite: "
        f"{np.array2string(observations[is_finite.argmin()], threshold=20, precision=4)}"
    )


def envs_name(envs: VectorEnv) -> str:
    """Their id, for messages."""
    return envs.spec.id if envs.spec is not None else type(envs.unwrapped).__name__


def is_restorable(envs: VectorEnv) -> bool:
    """Whether an episode is rebuilt by its seed and its actions; true unless the envs deny it."""
    return envs.metadata.get("is_restorable", True)


def wrapper_states(envs: VectorEnv) -> dict[str, Any]:
    """The states of those wrappers around a vector environment that have one, by class name."""
    return {type(w).__name__: w.state_dict() for w in _stateful_wrappers(envs)}


def load_wrapper_states(envs: VectorEnv, states: dict[str, Any]) -> None:
    """Restore `wrapper_states(...)` in those wrappers that are there."""
    for wrapper in _stateful_wrappers(envs):
        wrapper.load_state_dict(states[type(wrapper).__name__])


def find_normalizer(envs: VectorEnv) -> Any | None:
    """The wrapper with a method `normalize`, which normalises observations; None without one."""
    found = [wrapper for wrapper in _stateful_wrappers(envs) if hasattr(type(wrapper), "normalize")]
    return found[0] if found else None


def _stateful_wrappers(envs: VectorEnv) -> Iterator[Any]:
    while isinstance(envs, VectorWrapper):
        # A wrapper passes on attributes of what it wraps: look at the class.
        if hasattr(type(envs), "state_dict"):
            yield envs
        envs = envs.env
