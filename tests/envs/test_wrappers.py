"""Stacked frames, other bounds, time limits, changed rewards; and any chain of wrappers."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hw.envs.make_env import EnvFactory, make_env
from hw.envs.wrappers import ClipReward, FrameStack, RescaleObservation, ScaleReward, TimeLimit
from hw.infrastructure.errors import ConfigError


class CountdownEnv(gym.Env):
    """Its observation counts the steps; it ends after `length` of them."""

    action_space = Box(-1.0, 1.0, (1,))

    def __init__(self, dtype=np.float32, length=1000, truncates=False, shape=(2,)):
        low, high = (0, 255) if dtype is np.uint8 else (-1000, 1000)
        self.observation_space = Box(low, high, shape, dtype)
        self.length, self.truncates = length, truncates

    def observation(self):
        # The same array each time, which a wrapper must not rely upon.
        self.buffer[:] = self.count
        return self.buffer

    def reset(self, *, seed=None, options=None):
        self.buffer = np.zeros(self.observation_space.shape, self.observation_space.dtype)
        self.count = 0 if seed is None else seed
        self.end = self.count + self.length
        return self.observation(), {}

    def step(self, action):
        self.count += 1
        at_end = self.count == self.end
        done = at_end and not self.truncates
        return self.observation(), float(self.count), done, at_end and self.truncates, {}


ACTION = np.zeros(1, np.float32)

# Frames


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64, np.int16])
@pytest.mark.parametrize("shape", [(2,), (3, 4), ()])
def test_frames_are_stacked_oldest_first(dtype, shape):
    env = FrameStack(CountdownEnv(dtype, shape=shape or (1,)), num_frames=3)
    observation, _ = env.reset(seed=10)
    first = [observation]
    expected = [[10, 10, 10], [10, 10, 11], [10, 11, 12], [11, 12, 13], [12, 13, 14]]
    first += [env.step(ACTION)[0] for _ in range(4)]
    for stack, counts in zip(first, expected, strict=True):
        assert stack.shape == (3, *(shape or (1,)))
        assert stack.dtype == dtype
        assert stack in env.observation_space
        for frame, count in zip(stack, counts, strict=True):
            np.testing.assert_array_equal(frame, np.full(shape or (1,), count))


def test_a_new_episode_holds_nothing_of_the_old():
    env = FrameStack(CountdownEnv(), num_frames=4)
    env.reset(seed=5)
    env.step(ACTION)
    np.testing.assert_array_equal(env.reset(seed=50)[0], np.full((4, 2), 50))


def test_the_bounds_of_each_component_are_kept():
    env = CountdownEnv()
    env.observation_space = Box(np.float32([0, -np.inf]), np.float32([1, 2]))
    stacked = FrameStack(env, num_frames=2).observation_space
    np.testing.assert_array_equal(stacked.low, [[0, -np.inf]] * 2)
    np.testing.assert_array_equal(stacked.high, [[1, 2]] * 2)


def test_one_frame_only_adds_an_axis():
    env = FrameStack(CountdownEnv(), num_frames=1)
    env.reset(seed=3)
    np.testing.assert_array_equal(env.step(ACTION)[0], [[4, 4]])


# Bounds


def test_observations_are_rescaled_by_hand():
    env = RescaleObservation(CountdownEnv(np.uint8), min_obs=-1.0, max_obs=1.0)
    assert env.observation_space == Box(-1.0, 1.0, (2,), np.float32)
    np.testing.assert_allclose(env.reset(seed=51)[0], [-0.6, -0.6], rtol=1e-6)
    np.testing.assert_array_equal(env.reset(seed=255)[0], [1.0, 1.0])
    np.testing.assert_array_equal(env.reset(seed=0)[0], [-1.0, -1.0])


@given(st.integers(0, 255), st.floats(-50, 50, width=32), st.floats(0.125, 50, width=32))
def test_rounding_does_not_leave_the_interval(count, low, width):
    env = RescaleObservation(CountdownEnv(np.uint8), min_obs=low, max_obs=low + width)
    observation, _ = env.reset(seed=count)
    assert observation.dtype == np.float32
    assert observation in env.observation_space


def test_what_has_no_bounds_cannot_be_rescaled():
    with pytest.raises(TypeError, match="that has bounds, not Box"):
        RescaleObservation(gym.make("CartPole-v1"), min_obs=0.0, max_obs=1.0)
    with pytest.raises(ValueError, match="min_obs is 1.0, not below max_obs, 1.0"):
        RescaleObservation(CountdownEnv(), min_obs=1.0, max_obs=1.0)


# Time limit


def ends(env, num_steps):
    return [env.step(ACTION)[2:4] for _ in range(num_steps)]


def test_a_time_limit_truncates_and_never_terminates():
    env = TimeLimit(CountdownEnv(), max_steps=3)
    for _ in range(2):  # each episode has its own count
        env.reset()
        assert ends(env, 3) == [(False, False), (False, False), (False, True)]


def test_termination_before_or_at_the_limit_stays_termination():
    early = TimeLimit(CountdownEnv(length=2), max_steps=3)
    early.reset()
    assert ends(early, 2) == [(False, False), (True, False)]
    together = TimeLimit(CountdownEnv(length=2), max_steps=2)
    together.reset()
    assert ends(together, 2) == [(False, False), (True, True)]


def test_an_earlier_limit_of_the_environment_holds():
    env = TimeLimit(CountdownEnv(length=2, truncates=True), max_steps=5)
    env.reset()
    assert ends(env, 2) == [(False, False), (False, True)]


# Rewards


def test_rewards_are_scaled_and_clipped_and_the_raw_ones_kept(register):
    name = register("HwTestsCountdown-v0", CountdownEnv)
    wrappers = [{"scale_reward": {"factor": 0.5}}, {"clip_reward": {"low": 0, "high": 1.25}}]
    envs = EnvFactory(name, wrappers=wrappers).make_training_envs(2)
    envs.reset(seed=[0, 10])
    found = [envs.step(np.zeros((2, 1), np.float32)) for _ in range(3)]
    assert [step[1].tolist() for step in found] == [[0.5, 1.25], [1.0, 1.25], [1.25, 1.25]]
    raw = [step[4]["raw_rewards"].tolist() for step in found]
    assert raw == [[1.0, 11.0], [2.0, 12.0], [3.0, 13.0]]


def test_the_first_reward_wrapper_keeps_the_raw_rewards(drive):
    wrappers = [{"normalize_reward": {"discount": 0.9}}, {"scale_reward": {"factor": 100.0}}]
    raw = drive(EnvFactory("Pendulum-v1").make_training_envs(2), 250)
    changed = drive(EnvFactory("Pendulum-v1", wrappers=wrappers).make_training_envs(2), 250)
    for before, after in zip(raw, changed, strict=True):
        np.testing.assert_array_equal(before.observations, after.observations)
        if before.rewards is not None:
            np.testing.assert_array_equal(after.infos["raw_rewards"], before.rewards)
            assert not np.allclose(after.rewards, before.rewards)


def test_reward_settings_that_make_no_sense_are_refused():
    envs = EnvFactory("CartPole-v1").make_training_envs(1)
    with pytest.raises(ValueError, match="low is 1, not below high, 1"):
        ClipReward(envs, low=1, high=1)
    for factor in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match="must be positive and finite"):
            ScaleReward(envs, factor=factor)


# Any chain

REPEAT = {"repeat_action": {"num_repeats": 2}}
TIME_AWARE = "time_aware_observation"
PER_ENV = [
    "flatten_observation",
    "record_episode_statistics",
    {"delay_observation": {"delay": 2}},
    {"dtype_observation": {"dtype": "float64"}},
    {"frame_stack": {"num_frames": 3}},
    {"rescale_observation": {"min_obs": -0.5, "max_obs": 2}},
    REPEAT,
    {"sticky_action": {"repeat_action_probability": 0.25}},
    {"time_limit": {"max_steps": 9}},
    TIME_AWARE,
]
OF_VECTOR = [
    "normalize_observation",
    {"normalize_reward": {"discount": 0.9}},
    {"clip_reward": {"low": -1, "high": 1}},
    {"scale_reward": {"factor": 3}},
]


def sees_no_limit(per_env):
    """Whether time is to be shown inside of what makes several steps of one."""
    names = [TIME_AWARE, REPEAT]
    return [wrapper for wrapper in per_env if wrapper in names] == names


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(["GridWorld-v0", "Pendulum-v1", "MountainCar-v0"]),
    st.lists(st.sampled_from(PER_ENV), max_size=3, unique_by=str),
    st.lists(st.sampled_from(OF_VECTOR), max_size=4, unique_by=str),
    st.integers(1, 3),
)
def test_every_observation_lies_in_the_space_of_any_chain(
    drive, env_name, per_env, of_vector, num_envs
):
    assume(not sees_no_limit(per_env))
    factory = EnvFactory(env_name, wrappers=[*per_env, *of_vector], max_episode_steps=12)
    for envs in (factory.make_training_envs(num_envs), factory.make_evaluation_envs(num_envs)):
        assert envs.num_envs == num_envs
        assert envs.observation_space.shape == (num_envs, *envs.single_observation_space.shape)
        for event in drive(envs, 15):
            assert event.observations in envs.observation_space
            assert event.observations.dtype == envs.single_observation_space.dtype
        assert envs.action_space.sample() in envs.action_space
        envs.close()


def test_time_is_shown_in_the_agents_steps_outside_of_a_wrapper_that_repeats():
    env = make_env("Pendulum-v1", wrappers=[REPEAT, TIME_AWARE], max_episode_steps=12)
    env.reset(seed=0)
    times, truncated = [], False
    while not truncated:
        observation, *_, truncated, _ = env.step(env.action_space.sample())
        assert observation in env.observation_space
        times.append(observation[-1])
    assert times == list(range(1, 13))
    with pytest.raises(ConfigError, match="time_aware_observation: .* TimeLimit"):
        make_env("Pendulum-v1", wrappers=[TIME_AWARE, REPEAT], max_episode_steps=12)


def test_the_first_wrapper_listed_is_the_innermost():
    stack, flat = {"frame_stack": {"num_frames": 2}}, "flatten_observation"
    assert make_env("GridWorld-v0", wrappers=[stack, flat]).observation_space.shape == (4,)
    assert make_env("GridWorld-v0", wrappers=[flat, stack]).observation_space.shape == (2, 2)


def test_actions_stay_in_minus_one_to_one_whatever_the_wrappers():
    wrappers = [{"rescale_action": {"min_action": -7, "max_action": 9.0}}]
    env = make_env("Pendulum-v1", wrappers=wrappers)
    assert env.action_space == Box(-1.0, 1.0, (1,))
    plain = make_env("Pendulum-v1")
    env.reset(seed=0)
    plain.reset(seed=0)
    action = np.array([0.5], np.float32)
    np.testing.assert_allclose(env.step(action)[0], plain.step(action)[0], rtol=1e-5)
