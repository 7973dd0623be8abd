"""Our shorter way through a step ends where Gymnasium's does."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box, Dict, Discrete
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from hw.envs.sync_envs import SyncEnvs


class Reporter(gym.Env):
    """Shows one array that it writes to again and again, and now and then an info."""

    action_space = Discrete(3)

    def __init__(self, observation_space, dtype=np.float64):
        self.observation_space = observation_space
        self.numbers = np.zeros(2, dtype)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.numbers[:] = self.np_random.integers(5, size=2)
        self.count = 0
        return self.show(), {"first": float(self.numbers[0])}

    def step(self, action):
        self.count += 1
        self.numbers += action
        info = {"count": self.count, "name": "x"} if action else {}
        ended = self.count == 3 + self.numbers[0] % 3
        return self.show(), np.float32(0.1), int(ended and action == 1), ended, info

    def show(self):
        space = self.observation_space
        if isinstance(space, Dict):
            return {"a": self.numbers, "b": self.count}
        return int(self.numbers[0]) % 9 if isinstance(space, Discrete) else self.numbers


SPACES = {
    "float32 of float64": Box(-np.inf, np.inf, (2,), np.float32),
    "float64": Box(-np.inf, np.inf, (2,), np.float64),
    "Discrete": Discrete(9),
    "Dict": Dict({"a": Box(-np.inf, np.inf, (2,), np.float64), "b": Discrete(99)}),
}


def pair(space, num_envs=3):
    env_fns = [lambda: Reporter(space)] * num_envs
    return SyncEnvs(env_fns), SyncVectorEnv(env_fns, autoreset_mode=AutoresetMode.DISABLED)


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_it_returns_what_gymnasiums_does(space):
    both = pair(space)
    generator = np.random.default_rng(0)
    mask = np.ones(3, np.bool_)
    for _ in range(60):
        if mask.any():
            options = {"reset_mask": mask}
            seed = generator.integers(99, size=3).tolist()
            ours, theirs = (envs.reset(seed=seed, options=dict(options)) for envs in both)
            np.testing.assert_equal(ours, theirs)
        actions = generator.integers(3, size=3)
        ours, theirs = (envs.step(actions) for envs in both)
        np.testing.assert_equal(ours, theirs)
        for one, other in zip(ours[:4], theirs[:4], strict=True):
            assert getattr(one, "dtype", None) == getattr(other, "dtype", None)
        mask = ours[2] | ours[3]


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_what_it_has_returned_never_changes(space):
    envs, _ = pair(space)
    returned = [envs.reset(seed=[1, 2, 3])]
    kept = [envs.reset(seed=[1, 2, 3])]
    for actions in ([1, 0, 2], [2, 2, 2]):
        returned.append(envs.step(np.array(actions)))
    envs.reset(seed=[4, 5, 6])
    np.testing.assert_equal(returned[0], kept[0])
    again, _ = pair(space)
    again.reset(seed=[1, 2, 3])
    np.testing.assert_equal(returned[0][0], again.reset(seed=[1, 2, 3])[0])
    np.testing.assert_equal(returned[1], again.step(np.array([1, 0, 2])))


def test_what_ended_wants_to_be_reset():
    envs, _ = pair(SPACES["float64"])
    envs.reset(seed=[0, 1, 2])
    ended = np.zeros(3, np.bool_)
    while not ended.any():
        _, _, dones, truncateds, _ = envs.step(np.zeros(3, np.int64))
        ended = dones | truncateds
    with pytest.raises(ResetNeeded, match=rf"reset environments \[{np.flatnonzero(ended)[0]}"):
        envs.step(np.zeros(3, np.int64))
    envs.reset(seed=[0, 1, 2], options={"reset_mask": ended})
    envs.step(np.zeros(3, np.int64))


def test_an_observation_that_its_space_cannot_hold_is_refused():
    space = Box(0, 255, (2,), np.uint8)
    for envs in pair(space):
        with pytest.raises(TypeError, match="Cannot cast"):
            envs.reset(seed=[0, 1, 2])
