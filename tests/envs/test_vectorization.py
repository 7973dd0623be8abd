"""Sync, async and native: the same results; and what goes wrong in an environment has its name."""

import os
import signal
import time

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box, Dict, Discrete
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from hw.envs.async_envs import AsyncEnvs
from hw.envs.env_guard import EnvGuard
from hw.envs.make_env import EnvFactory
from hw.envs.native_cartpole import NativeCartPole
from hw.infrastructure.errors import ConfigError, EnvError

ACTIONS = np.zeros(2, np.int64)


class FaultyEnv(gym.Env):
    """Does `fault` in its third step, or returns it, if its episode's seed is odd."""

    observation_space = Box(-1.0, 1.0, (2,))
    action_space = Discrete(2)

    def __init__(self, fault=None, reward=0.0, observation=None, at_reset=False, render_mode=None):
        self.fault, self.reward, self.at_reset = fault, reward, at_reset
        self.wrong_observation = observation
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        self.is_bad, self.count = seed % 2 == 1, 0
        if self.at_reset and self.is_bad:
            return self.misbehave()[:2]
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.count += 1
        if self.is_bad and self.count == 3:
            return self.misbehave()
        return np.zeros(2, np.float32), 0.0, False, False, {}

    def render(self):
        raise ValueError("no ink")

    def misbehave(self):
        if self.fault is not None:
            self.fault()
        observation = self.wrong_observation
        observation = np.zeros(2, np.float32) if observation is None else observation
        return observation, self.reward, False, False, {}


def explode():
    raise ValueError("the valve is open\nand the steam is gone")


class UnpicklableError(Exception):
    def __init__(self, one, two):
        super().__init__(one)
        self.trap = lambda: two


def explode_unpicklably():
    raise UnpicklableError("stuck", 2)


@pytest.fixture
def faulty(register):
    """Makes two environments of which the second is bad, and comes to the third step."""
    made = []

    def make(vectorization, at_reset=False, **env_kwargs):
        register("HwTestsFaulty-v0", FaultyEnv)
        factory = EnvFactory(
            "HwTestsFaulty-v0",
            env_kwargs={"at_reset": at_reset, **env_kwargs},
            vectorization=vectorization,
        )
        envs = factory.make_training_envs(2)
        made.append(envs)
        if not at_reset:
            envs.reset(seed=[0, 1])
            envs.step(ACTIONS)
            envs.step(ACTIONS)
        return envs

    yield make
    for envs in made:
        envs.close()
        assert not any(process.is_alive() for process in getattr(envs, "processes", []))


def assert_same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_equal(tuple(one), tuple(other))
        assert one.observations.dtype == other.observations.dtype


# The three kinds


@pytest.mark.parametrize("env_name", ["CartPole-v1", "Pendulum-v1", "GridWorld-v0"])
def test_async_equals_sync_to_the_last_bit(drive, env_name):
    wrappers = [{"frame_stack": {"num_frames": 2}}, "normalize_observation"]
    found = []
    for vectorization in ("sync", "async"):
        factory = EnvFactory(
            env_name, wrappers=wrappers, max_episode_steps=30, vectorization=vectorization
        )
        envs = factory.make_training_envs(3)
        assert envs.metadata["autoreset_mode"] is AutoresetMode.DISABLED
        found.append(drive(envs, 100))
        envs.close()
    assert_same(found[1], found[0])
    assert sum(0 < event.is_new.sum() < 3 for event in found[0]) > 0 or env_name == "Pendulum-v1"


@pytest.mark.parametrize(
    ("env_name", "settings"),
    [
        ("CartPole-v1", {}),
        ("CartPole-v0", {}),
        ("CartPole-v1", {"max_episode_steps": 15}),
        ("CartPole-v1", {"env_kwargs": {"sutton_barto_reward": True}}),
    ],
)
@pytest.mark.filterwarnings("ignore:.*out of date")
def test_native_cartpole_equals_sync_to_the_last_bit(drive, env_name, settings):
    events = []
    for vectorization in ("sync", "native"):
        envs = EnvFactory(env_name, vectorization=vectorization, **settings).make_training_envs(7)
        assert envs.metadata["autoreset_mode"] is AutoresetMode.DISABLED
        events.append(drive(envs, 600))
    assert isinstance(envs, NativeCartPole)
    assert_same(events[1], events[0])
    assert sum(0 < event.is_new.sum() < 7 for event in events[0]) > 100
    truncated = sum(event.truncateds.sum() for event in events[1] if event.truncateds is not None)
    assert (truncated > 0) == ("max_episode_steps" in settings)


@pytest.mark.parametrize(("env_name", "limit"), [("CartPole-v0", 200), ("CartPole-v1", 500)])
def test_native_cartpole_keeps_the_registered_time_limit(env_name, limit):
    """A pole kept up by pushing against its fall reaches it."""
    envs = EnvFactory(env_name, vectorization="native").make_training_envs(1)
    observations, _ = envs.reset(seed=3)
    for step in range(1, limit + 1):
        lean = observations[:, 2] + 0.5 * observations[:, 3] + 0.02 * observations[:, 1]
        observations, _, dones, truncateds, _ = envs.step((lean > 0).astype(np.int64))
        assert not dones.any()
        assert truncateds[0] == (step == limit)


def test_native_cartpole_goes_on_with_its_generators_where_no_seed_is_given():
    kinds = ("sync", "native")
    both = [EnvFactory("CartPole-v1", vectorization=kind).make_training_envs(3) for kind in kinds]
    for seed in ([5, 6, 7], [None, 8, None], None):
        found = [envs.reset(seed=seed)[0] for envs in both]
        np.testing.assert_array_equal(*found)
    options = {"low": -0.01, "high": 0.01}
    found = [envs.reset(seed=4, options=dict(options))[0] for envs in both]
    np.testing.assert_array_equal(*found)
    assert np.abs(found[0]).max() < 0.01


def test_native_cartpole_wants_what_ended_to_be_reset():
    envs = EnvFactory("CartPole-v1", vectorization="native", max_episode_steps=1)
    envs = envs.make_training_envs(2)
    with pytest.raises(ResetNeeded, match=r"\[0, 1\]"):
        envs.step(ACTIONS)
    envs.reset(seed=[0, 1])
    envs.step(ACTIONS)
    envs.reset(seed=[0, 1], options={"reset_mask": np.array([True, False])})
    with pytest.raises(ResetNeeded, match=r"reset environments \[1\] first"):
        envs.step(ACTIONS)


@pytest.mark.parametrize("mask", [np.ones(3, np.bool_), np.ones(2, np.int64)])
def test_native_cartpole_refuses_a_mask_of_another_kind(mask):
    envs = EnvFactory("CartPole-v1", vectorization="native").make_training_envs(2)
    with pytest.raises(ValueError, match="reset_mask must be 2 booleans"):
        envs.reset(seed=[0, 1], options={"reset_mask": mask})


def test_evaluation_is_sync_whatever_training_is():
    for vectorization in ("async", "native"):
        factory = EnvFactory("CartPole-v1", vectorization=vectorization)
        envs = factory.make_evaluation_envs(2, "rgb_array")
        assert isinstance(envs, SyncVectorEnv)
        envs.reset(seed=[0, 1])
        frames = envs.render()
        assert [frame.shape for frame in frames] == [(400, 600, 3)] * 2


# Native environments of others


class NativePoint(VectorEnv):
    """Two points, moved by actions in [-4, 4]."""

    def __init__(self, num_envs, max_episode_steps=9, speed=1.0, autoreset_mode=None):
        self.metadata = {"autoreset_mode": autoreset_mode or AutoresetMode.NEXT_STEP}
        self.num_envs, self.limit = num_envs, max_episode_steps
        self.single_observation_space = Box(-np.inf, np.inf, (1,))
        self.observation_space = Box(-np.inf, np.inf, (num_envs, 1))
        self.single_action_space = Box(-4.0, 4.0, (1,))
        self.action_space = Box(-4.0, 4.0, (num_envs, 1))

    def step(self, actions):
        self.received = actions.copy()
        nothing = np.zeros(self.num_envs, np.bool_)
        return actions, np.zeros(self.num_envs), nothing, nothing, {}


class ThriftyPoint(NativePoint):
    """Writes all observations into the same memory."""

    def __init__(self, num_envs, max_episode_steps=9, autoreset_mode=None):
        super().__init__(num_envs, max_episode_steps, autoreset_mode=autoreset_mode)
        self.positions = np.zeros((num_envs, 1), np.float32)

    def reset(self, *, seed=None, options=None):
        self.positions[:] = 0.0
        return self.positions, {}

    def step(self, actions):
        _, rewards, dones, truncateds, infos = super().step(actions)
        self.positions += actions
        return self.positions, rewards, dones, truncateds, infos


class StubbornPoint(NativePoint):
    """Cannot be told not to reset itself."""

    def __init__(self, num_envs, max_episode_steps=9):
        super().__init__(num_envs, max_episode_steps)


class ObedientPoint(NativePoint):
    """Never resets itself and need not be told."""

    def __init__(self, num_envs, max_episode_steps=9):
        super().__init__(num_envs, max_episode_steps, autoreset_mode=AutoresetMode.DISABLED)


def test_a_native_environment_is_asked_not_to_reset_and_given_actions_in_its_bounds(register):
    name = register("HwTestsPoint-v0", None, vector_entry_point=NativePoint, max_episode_steps=7)
    factory = EnvFactory(name, vectorization="native", clip_actions=True)
    envs = factory.make_training_envs(2)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.DISABLED
    assert envs.single_action_space == Box(-1.0, 1.0, (1,))
    envs.step(np.array([[0.5], [-7.0]], np.float32))
    np.testing.assert_allclose(envs.unwrapped.received, [[2.0], [-4.0]])
    assert envs.unwrapped.limit == 7
    factory = EnvFactory(name, vectorization="native", max_episode_steps=3)
    assert factory.make_training_envs(1).unwrapped.limit == 3


def test_a_native_environment_that_needs_no_telling_is_accepted(register):
    name = register("HwTestsPoint-v0", None, vector_entry_point=ObedientPoint)
    envs = EnvFactory(name, vectorization="native").make_training_envs(2)
    assert isinstance(envs.unwrapped, ObedientPoint)


def test_what_a_native_environment_showed_stays_as_it_was(register):
    name = register("HwTestsPoint-v0", None, vector_entry_point=ThriftyPoint)
    envs = EnvFactory(name, vectorization="native").make_training_envs(2)
    seen = [envs.reset()[0]]
    seen += [envs.step(np.full((2, 1), 0.25, np.float32))[0] for _ in range(3)]
    assert [observations[0, 0] for observations in seen] == [0.0, 1.0, 2.0, 3.0]


def test_a_native_environment_that_resets_itself_is_refused(register):
    name = register("HwTestsPoint-v0", None, vector_entry_point=StubbornPoint)
    factory = EnvFactory(name, vectorization="native")
    with pytest.raises(ConfigError, match=f"{name} resets by itself.*use sync or async") as error:
        factory.make_training_envs(2)
    assert error.value.key == "vectorization"


def test_what_nobody_vectorized_is_refused():
    factory = EnvFactory("Pendulum-v1", vectorization="native")
    with pytest.raises(ConfigError, match="native: Pendulum-v1 .* use sync or async") as error:
        factory.make_training_envs(2)
    assert error.value.key == "vectorization"


def test_native_takes_no_wrappers_of_single_environments():
    with pytest.raises(ConfigError, match="native cannot apply flatten_observation") as error:
        EnvFactory("CartPole-v1", vectorization="native", wrappers=["flatten_observation"])
    assert error.value.key == "vectorization"
    factory = EnvFactory("CartPole-v1", vectorization="native", wrappers=["normalize_observation"])
    assert factory.make_training_envs(2).observation_space == Box(-10.0, 10.0, (2, 4))


def test_an_unknown_vectorization_is_refused():
    with pytest.raises(ConfigError, match="unknown 'threads'; choose from sync, async, native"):
        EnvFactory("CartPole-v1", vectorization="threads")


@pytest.mark.parametrize("vectorization", ["sync", "native"])
def test_an_unknown_argument_of_the_environment_is_named(vectorization):
    factory = EnvFactory(
        "CartPole-v1", env_kwargs={"sutton_reward": True}, vectorization=vectorization
    )
    with pytest.raises(ConfigError, match="no 'sutton_reward'; did you mean 'sutton_barto_reward'"):
        factory.make_training_envs(2)


# What goes wrong in an environment


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("vectorization", ["sync", "async"])
def test_an_environment_that_raises_is_named_with_its_own_traceback(faulty, vectorization):
    envs = faulty(vectorization, fault=explode)
    with pytest.raises(EnvError) as error:
        envs.step(ACTIONS)
    first, *rest = str(error.value).splitlines()
    assert first == "HwTestsFaulty-v0, environment 1: ValueError: the valve is open"
    assert all(line.startswith("  ") for line in rest)
    assert rest[0] == "  Traceback (most recent call last):"
    assert any("in explode" in line for line in rest)
    assert rest[-2:] == ["  ValueError: the valve is open", "  and the steam is gone"]
    assert not any("env_guard.py" in line for line in rest)
    error.value.step = 1200
    first, *after = str(error.value).splitlines()
    assert first.endswith("ValueError: the valve is open (at step 1200)")
    assert after == rest


@pytest.mark.parametrize("vectorization", ["sync", "async"])
def test_an_environment_that_raises_at_its_reset_is_named(faulty, vectorization):
    envs = faulty(vectorization, fault=explode, at_reset=True)
    envs.reset(seed=[0, 2])
    with pytest.raises(EnvError, match="HwTestsFaulty-v0, environment 0: ValueError: the valve"):
        envs.reset(seed=[3, 2])


@pytest.mark.parametrize("vectorization", ["sync", "async"])
def test_if_several_fail_at_once_the_first_is_named(faulty, vectorization):
    envs = faulty(vectorization, fault=explode, at_reset=True)
    with pytest.raises(EnvError, match="environment 0: ValueError: the valve"):
        envs.reset(seed=[1, 1])


@pytest.mark.parametrize("vectorization", ["sync", "async"])
def test_an_error_that_cannot_be_sent_between_processes_is_told_all_the_same(faulty, vectorization):
    envs = faulty(vectorization, fault=explode_unpicklably)
    with pytest.raises(EnvError, match="environment 1: UnpicklableError: stuck"):
        envs.step(ACTIONS)


@pytest.mark.parametrize("vectorization", ["sync", "async"])
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"reward": np.array([1.0])}, r"a reward of shape \(1,\), which must be a finite number"),
        ({"reward": np.nan}, "the reward nan, which must be a finite number"),
        ({"reward": -np.inf}, "the reward -inf, which"),
        ({"reward": None}, "the reward None, which"),
        ({"reward": "2"}, "the reward '2', which"),
        (
            {"observation": np.zeros(3, np.float32)},
            r"an observation of shape \(3,\), where its space has \(2,\)",
        ),
        ({"observation": [[1.0], [1.0, 2.0]]}, "an observation of shape None, where its space"),
        ({"observation": 0.0}, r"an observation of shape \(\), where its space has \(2,\)"),
    ],
)
def test_what_an_environment_must_not_return_is_told_in_a_line(
    faulty, vectorization, wrong, message
):
    envs = faulty(vectorization, **wrong)
    with pytest.raises(EnvError, match=f"^HwTestsFaulty-v0, environment 1: {message}") as error:
        envs.step(ACTIONS)
    assert "\n" not in str(error.value)


def test_a_wrong_first_observation_is_told():
    env = FaultyEnv(observation=np.zeros((2, 1)), at_reset=True)
    guard = EnvGuard(env, env_name="Faulty", index=4)
    with pytest.raises(EnvError, match=r"Faulty, environment 4: an observation of shape \(2, 1\)"):
        guard.reset(seed=1)


def test_rendering_that_fails_is_told():
    guard = EnvGuard(FaultyEnv(), env_name="Faulty", index=4)
    with pytest.raises(EnvError, match="Faulty, environment 4: ValueError: no ink"):
        guard.render()


@pytest.mark.parametrize("reward", [1, True, np.float32(1), np.int64(1), np.array(1.0)])
@pytest.mark.parametrize("observation", [np.zeros(2), [0.0, 0.0], (0, 0)])
def test_what_is_right_passes_the_guard_unchanged(reward, observation):
    env = FaultyEnv(reward=reward, observation=observation)
    guard = EnvGuard(env, env_name="Faulty", index=0)
    guard.reset(seed=1)
    env.count = 2
    found = guard.step(0)
    assert found[0] is observation
    assert found[1] is reward


def test_observations_without_a_single_shape_pass_the_guard():
    env = FaultyEnv(observation={"a": 1})
    env.observation_space = Dict(a=Discrete(3))
    guard = EnvGuard(env, env_name="Faulty", index=0)
    guard.reset(seed=0)
    env.count, env.is_bad = 2, True
    assert guard.step(0)[0] == {"a": 1}


# Processes


@pytest.fixture
def async_envs():
    envs = EnvFactory("CartPole-v1", vectorization="async").make_training_envs(2)
    assert isinstance(envs, AsyncEnvs)
    envs.reset(seed=[0, 1])
    envs.step(ACTIONS)
    yield envs
    start = time.monotonic()
    envs.close()
    assert time.monotonic() - start < 3.0
    assert not any(process.is_alive() for process in envs.processes)
    envs.close()


def test_a_killed_worker_is_named_with_its_signal(async_envs):
    os.kill(async_envs.processes[1].pid, signal.SIGKILL)
    with pytest.raises(
        EnvError, match=r"^CartPole-v1, environment 1: its process was killed by SIGKILL$"
    ):
        async_envs.step(ACTIONS)


def test_a_killed_worker_is_named_at_a_reset(async_envs):
    os.kill(async_envs.processes[0].pid, signal.SIGKILL)
    async_envs.processes[0].join()
    with pytest.raises(EnvError, match=r"CartPole-v1, environment 0: .*SIGKILL"):
        async_envs.reset(seed=[0, 1])


@pytest.mark.filterwarnings("error")
def test_a_worker_that_dies_in_its_step_is_named_with_its_exit_code(faulty):
    envs = faulty("async", fault=lambda: os._exit(7))
    with pytest.raises(EnvError, match="environment 1: its process ended with exit code 7"):
        envs.step(ACTIONS)


def test_workers_are_deaf_to_ctrl_c(async_envs):
    for process in async_envs.processes:
        os.kill(process.pid, signal.SIGINT)
    time.sleep(0.1)
    async_envs.step(ACTIONS)


def test_workers_obey_sigterm_though_the_main_process_handles_it():
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        envs = EnvFactory("CartPole-v1", vectorization="async").make_training_envs(2)
        envs.reset(seed=[0, 1])
        os.kill(envs.processes[1].pid, signal.SIGTERM)
        envs.processes[1].join(5)
        with pytest.raises(EnvError, match="environment 1: its process was killed by SIGTERM"):
            envs.step(ACTIONS)
        envs.close()
    finally:
        signal.signal(signal.SIGTERM, before)


def test_closing_does_not_wait_for_a_worker_that_hangs(faulty):
    envs = faulty("async", fault=lambda: time.sleep(60))
    envs.step_async(ACTIONS)
    start = time.monotonic()
    envs.close(timeout=0.2)
    assert time.monotonic() - start < 5.0
    assert not any(process.is_alive() for process in envs.processes)


def test_closing_between_asking_and_answering_ends_the_workers(async_envs):
    async_envs.step_async(ACTIONS)
    async_envs.close()
    assert [process.exitcode for process in async_envs.processes] == [0, 0]
