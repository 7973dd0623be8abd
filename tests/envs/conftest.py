"""Drives environments as `EnvRunner` does: random actions, masked resets, a seed an episode."""

from typing import NamedTuple

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box


class Event(NamedTuple):
    """What a reset (rewards is None) or a step returned."""

    observations: np.ndarray
    is_new: np.ndarray
    rewards: np.ndarray | None = None
    dones: np.ndarray | None = None
    truncateds: np.ndarray | None = None
    infos: dict | None = None


def drive_envs(envs, num_steps, seed=0):
    """Events of `num_steps` steps and the resets between them."""
    generator = np.random.default_rng(seed)
    events = []

    def reset(mask):
        seeds = generator.integers(2**31, size=envs.num_envs).tolist()
        observations, infos = envs.reset(seed=seeds, options={"reset_mask": mask.copy()})
        events.append(Event(observations.copy(), mask, infos=infos))

    everywhere = np.ones(envs.num_envs, np.bool_)
    reset(everywhere)
    for _ in range(num_steps):
        space = envs.single_action_space
        if isinstance(space, Box):
            shape = (envs.num_envs, *space.shape)
            actions = generator.uniform(-1.0, 1.0, size=shape).astype(np.float32)
        else:
            actions = generator.integers(space.n, size=envs.num_envs)
        observations, rewards, dones, truncateds, infos = envs.step(actions)
        assert rewards.dtype == np.float64
        assert dones.dtype == truncateds.dtype == np.bool_
        events.append(Event(observations.copy(), everywhere, rewards, dones, truncateds, infos))
        if (dones | truncateds).any():
            reset(dones | truncateds)
    return events


@pytest.fixture(scope="session")
def drive():
    return drive_envs


@pytest.fixture
def register():
    """Registers an environment class for the length of a test."""
    names = []

    def add(name, env, **kwargs):
        gym.register(name, env, **kwargs)
        names.append(name)
        return name

    yield add
    for name in names:
        gym.registry.pop(name)
