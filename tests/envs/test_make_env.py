"""Environments by name: their action bounds, their time limit, and names that are wrong."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hw.envs.make_env import EnvFactory, make_env
from hw.infrastructure.errors import ConfigError

PROBE = "HwTests/Probe-v0"


class ProbeEnv(gym.Env):
    """Remembers the last action that reached it."""

    observation_space = Box(-1.0, 1.0, (1,))

    def __init__(self, action_space, render_mode=None):
        self.action_space = action_space

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.received = action
        return np.zeros(1, np.float32), 0.0, False, False, {}


@pytest.fixture(scope="module")
def probe():
    """Makes a probe with an action space, by way of `make_env`."""

    def make(action_space, **kwargs):
        gym.registry.pop(PROBE, None)
        gym.register(PROBE, ProbeEnv, kwargs={"action_space": action_space})
        env = make_env(PROBE, **kwargs)
        env.reset(seed=0)
        return env

    yield make
    gym.registry.pop(PROBE, None)


def received(env, action):
    env.step(action)
    return env.unwrapped.received


# Actions

bounds = hnp.arrays(
    np.float32,
    hnp.array_shapes(max_dims=2, max_side=3),
    elements=st.floats(-1000.0, 1000.0, width=32),
)


@settings(deadline=None)
@given(low=bounds, data=st.data())
def test_any_box_is_acted_on_from_minus_one_to_one(probe, low, data):
    widths = hnp.arrays(np.float32, low.shape, elements=st.floats(0.125, 1000.0, width=32))
    high = low + data.draw(widths)
    fractions = hnp.arrays(np.float32, low.shape, elements=st.floats(-1.0, 1.0, width=32))
    action = data.draw(fractions)
    assume((high > low).all())
    env = probe(Box(low, high, dtype=np.float32))
    np.testing.assert_array_equal(env.action_space.low, -np.ones(low.shape))
    np.testing.assert_array_equal(env.action_space.high, np.ones(low.shape))
    assert env.action_space.dtype == np.float32
    expected = low + (action.astype(np.float64) + 1) / 2 * (high - low)
    np.testing.assert_allclose(received(env, action), expected, rtol=1e-4, atol=2e-3)


def test_rescaling_by_hand(probe):
    env = probe(Box(np.array([-2.0, 0.0], np.float32), np.array([2.0, 10.0], np.float32)))
    np.testing.assert_array_equal(received(env, np.array([1.0, -1.0], np.float32)), [2.0, 0.0])
    np.testing.assert_array_equal(received(env, np.array([-0.5, 0.5], np.float32)), [-1.0, 7.5])


def test_an_action_beyond_the_bounds_is_clipped_only_if_asked(probe):
    space, action = Box(-2.0, 4.0, (3,)), np.array([-3.0, 0.5, 2.0], np.float32)
    clipped = received(probe(space, clip_actions=True), action)
    np.testing.assert_allclose(clipped, [-2.0, 2.5, 4.0], rtol=1e-6)
    np.testing.assert_allclose(received(probe(space), action), [-8.0, 2.5, 7.0], rtol=1e-6)


def test_actions_between_minus_one_and_one_are_clipped_too(probe):
    env = probe(Box(-1.0, 1.0, (2,)), clip_actions=True)
    assert env.action_space == Box(-1.0, 1.0, (2,))
    np.testing.assert_array_equal(received(env, np.array([-7.0, 0.25], np.float32)), [-1.0, 0.25])


@pytest.mark.parametrize(
    ("space", "action"),
    [
        (Discrete(5), 3),
        (Box(-np.inf, np.inf, (2,)), np.array([30.0, -40.0], np.float32)),
        (Box(np.zeros(2), np.array([1.0, np.inf]), dtype=np.float64), np.array([0.0, 9.0])),
    ],
    ids=["discrete", "unbounded", "partly bounded"],
)
def test_a_space_without_bounds_is_left_alone(probe, space, action):
    for clip_actions in (False, True):
        env = probe(space, clip_actions=clip_actions)
        assert env.action_space == space
        np.testing.assert_array_equal(received(env, action), action)


def test_a_real_environment_is_rescaled():
    """Pendulum's torque lies in [-2, 2]: half of it here is 1 there."""
    ours, theirs = make_env("Pendulum-v1"), gym.make("Pendulum-v1")
    assert ours.action_space == Box(-1.0, 1.0, (1,))
    ours.reset(seed=3)
    theirs.reset(seed=3)
    for torque in (1.0, -0.5, 2.0):
        found = ours.step(np.array([torque / 2], np.float32))
        expected = theirs.step(np.array([torque], np.float32))
        np.testing.assert_array_equal(found[0], expected[0])
        assert found[1] == expected[1]


# Time limits


@pytest.mark.parametrize(
    ("env_name", "action"), [("Pendulum-v1", np.zeros(1, np.float32)), ("CartPole-v1", 0)]
)
def test_a_time_limit_truncates_and_does_not_terminate(env_name, action):
    env = make_env(env_name, max_episode_steps=4)
    env.reset(seed=0)
    ends = [env.step(action)[2:4] for _ in range(4)]
    assert ends == [(False, False)] * 3 + [(False, True)]


def test_a_time_limit_replaces_the_registered_one():
    env = make_env("Pendulum-v1", max_episode_steps=203)
    env.reset(seed=0)
    ends = [env.step(np.zeros(1, np.float32))[3] for _ in range(203)]
    assert ends.index(True) == 202


def test_without_one_the_registered_time_limit_holds():
    env = make_env("Pendulum-v1")
    env.reset(seed=0)
    assert [env.step(np.zeros(1, np.float32))[3] for _ in range(200)].index(True) == 199


# Names


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [
        ("Pendlum-v1", "Pendulum-v1"),
        ("pendulum-v1", "Pendulum-v1"),
        ("CartPole-v7", "CartPole-v1"),
        ("HalfCheeta-v5", "HalfCheetah-v5"),
    ],
)
def test_an_unknown_environment_is_named_with_the_nearest_known(wrong, nearest):
    with pytest.raises(ConfigError, match=f"env_name: cannot make '{wrong}'.*'{nearest}'") as error:
        make_env(wrong)
    assert error.value.key == "env_name"


@pytest.mark.parametrize("name", ["", ":", "a:b:c", ":Pendulum-v1", "Pendulum v1", "Qxyzzy-v0"])
def test_a_name_that_is_none_is_a_config_error(name):
    with pytest.raises(ConfigError, match="cannot make"):
        make_env(name)


def test_a_missing_module_is_named():
    with pytest.raises(ConfigError, match="needs a package that is not installed.*no_such_module"):
        make_env("no_such_module:Maze-v0")


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("no module maze3d", "needs a package that is not installed: no module maze3d"),
        ('Box2D is not installed, run `pip install "gymnasium[box2d]"`', r"-e '\.\[box2d\]'$"),
        ("No module named 'ale_py'", r"pip install -e '\.\[atari\]'$"),
    ],
)
def test_a_missing_dependency_of_an_environment_is_named(probe, message, told):
    def make_without_dependency(render_mode=None):
        raise gym.error.DependencyNotInstalled(message)

    gym.registry.pop(PROBE, None)
    gym.register(PROBE, make_without_dependency)
    with pytest.raises(ConfigError, match=told):
        make_env(PROBE)


def test_a_module_may_register_the_environment(tmp_path, monkeypatch):
    (tmp_path / "hw_tests_mazes.py").write_text(
        "import gymnasium\n"
        "from gymnasium.envs.classic_control import CartPoleEnv\n"
        "gymnasium.register('HwTestsMaze-v0', CartPoleEnv, max_episode_steps=3)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    env = make_env("hw_tests_mazes:HwTestsMaze-v0")
    env.reset(seed=0)
    assert [env.step(0)[3] for _ in range(3)] == [False, False, True]
    gym.registry.pop("HwTestsMaze-v0")


# Several at once


@pytest.mark.parametrize("method", ["make_training_envs", "make_evaluation_envs"])
def test_a_vector_environment_is_of_such_environments_and_never_resets_itself(method):
    envs = getattr(EnvFactory("Pendulum-v1", max_episode_steps=2), method)(3)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.DISABLED
    assert envs.single_action_space == Box(-1.0, 1.0, (1,))
    assert envs.spec.id == "Pendulum-v1"
    envs.reset(seed=[4, 5, 6])
    actions = np.array([[0.5], [-1.0], [0.0]], np.float32)
    envs.step(actions)
    observations, rewards, dones, truncateds, _ = envs.step(actions)
    assert truncateds.all()
    assert not dones.any()
    for i in range(3):
        env = make_env("Pendulum-v1", max_episode_steps=2)
        env.reset(seed=4 + i)
        env.step(actions[i])
        observation, reward, *_ = env.step(actions[i])
        np.testing.assert_array_equal(observations[i], observation)
        assert rewards[i] == reward
    first = envs.reset(seed=[7, 0, 0], options={"reset_mask": np.array([True, False, False])})[0]
    np.testing.assert_array_equal(first[0], make_env("Pendulum-v1").reset(seed=7)[0])
    np.testing.assert_array_equal(first[1:], observations[1:])


def test_a_vector_environment_passes_its_settings_on():
    envs = EnvFactory("MountainCarContinuous-v0", clip_actions=True).make_training_envs(2)
    envs.reset(seed=0)
    ((far, near), *_) = envs.step(np.array([[50.0], [1.0]], np.float32))
    assert envs.single_action_space == Box(-1.0, 1.0, (1,))
    assert far.shape == near.shape == (2,)
    rewards = envs.step(np.array([[50.0], [1.0]], np.float32))[1]
    np.testing.assert_allclose(rewards, [-0.1, -0.1], rtol=1e-6)  # -0.1 action^2


# Arguments of the environment


def test_an_environment_is_given_its_arguments():
    for envs in (
        EnvFactory("GridWorld-v0", env_kwargs={"size": 3}).make_training_envs(1),
        EnvFactory("GridWorld-v0", env_kwargs={"size": 3}).make_evaluation_envs(1),
    ):
        envs.reset(seed=0)
        np.testing.assert_array_equal(envs.step(np.array([1]))[0], [[0.5, 0.0]])


@pytest.mark.parametrize(
    ("env_kwargs", "message"),
    [
        ({"siz": 3}, "GridWorld-v0 knows no 'siz'; did you mean 'size'"),
        ({"size": 0}, "GridWorld-v0 refuses {'size': 0}: size is 0; it must be at least 2"),
        ({"walls": [[0, 1], [1, 0]]}, "GridWorld-v0 refuses .* no way to the goal"),
        ({"max_episode_steps": 3}, "max_episode_steps does not belong here"),
        ({"render_mode": "human"}, "render_mode does not belong here"),
    ],
)
def test_wrong_arguments_of_an_environment_are_named(env_kwargs, message):
    with pytest.raises(ConfigError, match=message) as error:
        make_env("GridWorld-v0", env_kwargs=env_kwargs)
    assert error.value.key == "env_kwargs"


def test_rendering_gives_frames():
    env = make_env("CartPole-v1", render_mode="rgb_array")
    env.reset(seed=0)
    frame = env.render()
    assert frame.dtype == np.uint8
    assert frame.ndim == 3
    assert frame.min() < frame.max()


def test_an_environment_that_knows_no_rendering_can_be_made():
    class BlindEnv(ProbeEnv):
        def __init__(self):
            super().__init__(Discrete(2))

    gym.register("HwTestsBlind-v0", BlindEnv)
    try:
        assert make_env("HwTestsBlind-v0").action_space == Discrete(2)
    finally:
        gym.registry.pop("HwTestsBlind-v0")
