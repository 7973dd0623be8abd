"""How well an agent acts, measured on environments of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from gymnasium.vector import VectorEnv

from hw.infrastructure.env_runner import check_observations, load_wrapper_states
from hw.infrastructure.pytorch_util import seed_torch

MAX_EVAL_ENVS = 16


class Actor(Protocol):
    """The part of an agent that evaluation needs."""

    def get_action(
        self, observation: np.ndarray, step: int | None = None, deterministic: bool = False
    ) -> np.ndarray:
        """See `hw.agents.base_agent.BaseAgent.get_action`."""


@dataclass
class Evaluation:
    """Undiscounted returns and lengths of evaluation episodes, in the order of their seeds."""

    returns: np.ndarray
    lengths: np.ndarray
    videos: list[np.ndarray] = field(default_factory=list)  # each (T, height, width, 3) uint8

    def metrics(self) -> dict[str, float]:
        """The statistics a run logs."""
        return {
            "eval/return_mean": float(self.returns.mean()),
            "eval/return_std": float(self.returns.std()),
            "eval/return_min": float(self.returns.min()),
            "eval/return_max": float(self.returns.max()),
            "eval/episode_length_mean": float(self.lengths.mean()),
        }


class Evaluator:
    """Evaluates an agent on fresh episodes, whose seeds follow from its own seed and the step.

    Args:
        make_envs: (num_envs, render_mode) -> vector environment that does not reset by itself.
        num_episodes: in each evaluation.
        num_videos: how many of them are recorded.
        deterministic: act by the policy's mode instead of a sample.
        seed: for the episodes' seeds.
    """

    def __init__(
        self,
        make_envs: Callable[[int, str | None], VectorEnv],
        num_episodes: int,
        num_videos: int,
        deterministic: bool,
        seed: int,
    ):
        self.make_envs = make_envs
        self.num_episodes = num_episodes
        self.num_videos = num_videos
        self.deterministic = deterministic
        self.seed = seed
        self.envs: VectorEnv | None = None

    def run(self, agent: Actor, step: int, wrapper_states: dict[str, Any]) -> Evaluation:
        """Evaluate after `step` training steps, with the statistics of training's wrappers."""
        if self.envs is None:
            num_envs = min(self.num_episodes, MAX_EVAL_ENVS)
            self.envs = self.make_envs(num_envs, "rgb_array" if self.num_videos else None)
        load_wrapper_states(self.envs, wrapper_states)
        generator = np.random.default_rng((self.seed, step))
        return evaluate(
            agent,
            self.envs,
            generator.integers(2**31, size=self.num_episodes).tolist(),
            deterministic=self.deterministic,
            step=step,
            num_videos=self.num_videos,
        )

    @property
    def frames_per_second(self) -> float:
        """Of the environments' videos."""
        return self.envs.metadata.get("render_fps", 30)

    def close(self) -> None:
        """Close the environments."""
        if self.envs is not None:
            self.envs.close()


def evaluate(
    agent: Actor,
    envs: VectorEnv,
    seeds: Sequence[int],
    *,
    deterministic: bool = True,
    step: int | None = None,
    num_videos: int = 0,
) -> Evaluation:
    """Run one episode from each reset seed, several at a time.

    Torch's global generator is left as it was found, so that evaluating does not change what
    training draws next; sampled actions come from the first seed.

    Args:
        envs: N environments that do not reset by themselves; with render_mode "rgb_array" where
            videos are wanted.
        seeds: of the episodes' resets.
        deterministic: act by the policy's mode instead of a sample.
        step: handed to `get_action`.
        num_videos: record the first so many episodes, from their first observation to their last.
    """
    returns, lengths = np.zeros(len(seeds)), np.zeros(len(seeds), np.int64)
    videos: list[list[np.ndarray]] = [[] for _ in range(min(num_videos, len(seeds)))]
    episodes = np.full(envs.num_envs, -1)  # which episode each environment is in; -1 is none
    waiting = list(range(len(seeds)))
    ended = np.ones(envs.num_envs, np.bool_)
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        seed_torch(int(seeds[0]))
        while True:
            for i in np.flatnonzero(ended):
                episodes[i] = waiting.pop(0) if waiting else -1
            if (episodes < 0).all():
                return Evaluation(returns, lengths, [np.stack(frames) for frames in videos])
            if ended.any():
                reset_seeds = [int(seeds[max(episode, 0)]) for episode in episodes]
                observations, _ = envs.reset(seed=reset_seeds, options={"reset_mask": ended})
                observations = observations.copy()
            check_observations(envs, observations)
            film(envs, videos, episodes)
            actions = agent.get_action(observations, step=step, deterministic=deterministic)
            observations, rewards, dones, truncateds, _ = envs.step(actions)
            active = episodes >= 0
            returns[episodes[active]] += rewards[active]
            lengths[episodes[active]] += 1
            ended = dones | truncateds
            film(envs, videos, np.where(ended, episodes, -1))


def film(envs: VectorEnv, videos: list[list[np.ndarray]], episodes: np.ndarray) -> None:
    """Append a frame to the video of each of these episodes that has one; (N,), -1 for none."""
    if np.isin(episodes, np.arange(len(videos))).any():
        for episode, frame in zip(episodes, envs.render(), strict=True):
            if 0 <= episode < len(videos):
                videos[episode].append(frame)


def first_lasting(steps: Sequence[int], returns: Sequence[float], threshold: float) -> int | None:
    """The first step from which on all returns are above a threshold; None if the last is not."""
    lasting = None
    for step, value in zip(steps, returns, strict=True):
        if value <= threshold:
            lasting = None
        elif lasting is None:
            lasting = step
    return lasting
