"""Wrappers by name: what is accepted, what is refused, and with which words."""

import gymnasium as gym
import pytest
from gymnasium.vector import VectorWrapper

from hw.env_configs.loading import bind
from hw.envs.make_env import EnvFactory, make_env
from hw.envs.normalization import NormalizeObservation
from hw.envs.wrapper_registry import WRAPPERS, resolve_wrappers
from hw.envs.wrappers import FrameStack
from hw.infrastructure.errors import ConfigError

MODULE = """
import gymnasium
from gymnasium.vector import VectorWrapper

class Shift(gymnasium.RewardWrapper):
    def __init__(self, env, by: float = 1.0):
        super().__init__(env)
        self.by = by
    def reward(self, reward):
        return reward + self.by

class Exploration(gymnasium.Wrapper):
    training_only = True

class OfVector(VectorWrapper):
    is_frozen = False

class Capricious(gymnasium.Wrapper):
    def __init__(self, env):
        raise KeyError("no mood")

not_a_wrapper = 3
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "hw_tests_wrappers.py").write_text(MODULE)
    (tmp_path / "hw_tests_broken.py").write_text("raise RuntimeError('broken indeed')")
    monkeypatch.syspath_prepend(tmp_path)
    return "hw_tests_wrappers"


def layers(env):
    """Classes of the wrappers, the outermost first."""
    while isinstance(env, gym.Wrapper | VectorWrapper):
        yield type(env).__name__
        env = env.env


def test_both_kinds_are_told_apart_and_keep_their_order():
    per_env, of_vector = resolve_wrappers(
        [{"frame_stack": {"num_frames": 2}}, "flatten_observation", "normalize_observation"]
    )
    assert [spec.wrapper for spec in per_env] == [FrameStack, gym.wrappers.FlattenObservation]
    assert [spec.wrapper for spec in of_vector] == [NormalizeObservation]
    assert per_env[0].arguments == {"num_frames": 2}


def test_a_list_in_yaml_becomes_what_the_signature_asks_for():
    (spec,), _ = resolve_wrappers([{"resize_observation": {"shape": [84, 84]}}])
    assert spec.arguments == {"shape": (84, 84)}


def test_no_arguments_may_be_written_in_three_ways():
    for entry in (
        "flatten_observation",
        {"flatten_observation": None},
        {"flatten_observation": {}},
    ):
        (spec,), _ = resolve_wrappers([entry])
        assert spec.arguments == {}


def test_a_wrapper_of_one_environment_may_stand_twice():
    env = make_env("GridWorld-v0", wrappers=[{"frame_stack": {"num_frames": 2}}] * 2)
    assert env.observation_space.shape == (2, 2, 2)


def test_every_name_is_of_a_wrapper():
    for wrapper in WRAPPERS.values():
        assert issubclass(wrapper, gym.Wrapper | VectorWrapper)


CLIP = {"clip_reward": {"low": -1.0, "high": 1.0}}


@pytest.mark.parametrize(
    ("wrappers", "message"),
    [
        (["normalise_observation"], "unknown wrapper .*; did you mean 'normalize_observation'"),
        (["FrameStack"], "unknown wrapper 'FrameStack'; did you mean 'frame_stack'"),
        (["q"], "unknown wrapper 'q'; choose from .*clip_reward"),
        ([{"frame_stack": {"frames": 4}}], "frame_stack: .*'frames'; did you mean 'num_frames'"),
        ([{"flatten_observation": {"depth": 4}}], "flatten_observation: unknown argument 'depth'"),
        (["frame_stack"], "frame_stack: needs num_frames"),
        ([{"clip_reward": {"low": 0}}], "clip_reward: needs high"),
        ([{"frame_stack": {"num_frames": "four"}}], "num_frames must be int, not 'four'"),
        ([{"frame_stack": {"num_frames": 2.5}}], "frame_stack: num_frames must be int, not 2.5"),
        ([{"frame_stack": {"num_frames": True}}], "num_frames must be int, not True"),
        ([{"normalize_observation": {"is_frozen": 1}}], "is_frozen must be bool, not 1"),
        ([{"resize_observation": {"shape": 84}}], "resize_observation: shape must be tuple"),
        ([{"rescale_action": {"min_action": "a", "max_action": 1}}], "min_action must be .*'a'"),
        ([CLIP, "flatten_observation"], "flatten_observation: .* must come before clip_reward"),
        ([CLIP, CLIP], "clip_reward: is listed twice"),
        ("normalize_observation", "must be a list, not 'normalize_observation'"),
        ({"frame_stack": {"num_frames": 4}}, "must be a list"),
        ([3], "each must be `name` or .*, not 3"),
        ([{"frame_stack": 4}], "each must be `name` or .*'frame_stack': 4"),
        ([{"frame_stack": {}, "time_limit": {}}], "each must be `name` or"),
        (["no_such_module:Wrapper"], "no_such_module:Wrapper: cannot import 'no_such_module'"),
        (["hw_tests_broken:X"], "hw_tests_broken:X: cannot import .*broken indeed"),
        (["hw_tests_wrappers:Shft"], "has no 'Shft'; did you mean 'Shift'"),
        (["hw_tests_wrappers:not_a_wrapper"], "is no subclass of gymnasium.Wrapper"),
        ([{"hw_tests_wrappers:Shift": {"bye": 1}}], "'bye'; did you mean 'by'"),
        (["gymnasium.wrappers:NormalizeObservation"], "use normalize_observation"),
        (["gymnasium.wrappers.vector:NormalizeReward"], "normalize_reward"),
    ],
)
def test_what_is_wrong_is_refused_before_an_environment_is_made(module, wrappers, message):
    with pytest.raises(ConfigError, match=message) as error:
        EnvFactory("CartPole-v1", wrappers=wrappers)
    assert error.value.key == "wrappers"
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("wrapper", "message"),
    [
        ({"frame_stack": {"num_frames": 0}}, "frame_stack: num_frames is 0"),
        ({"clip_reward": {"low": 1, "high": -1}}, "clip_reward: low is 1, not below high, -1"),
        ({"resize_observation": {"shape": [4, 4]}}, "resize_observation: .*requires a 2D or 3D"),
        ("hw_tests_wrappers:Capricious", "Capricious: 'no mood'"),
    ],
)
def test_what_a_wrapper_refuses_carries_its_name(module, wrapper, message):
    factory = EnvFactory("CartPole-v1", wrappers=[wrapper])
    with pytest.raises(ConfigError, match=message) as error:
        factory.make_training_envs(1)
    assert error.value.key == "wrappers"


def test_one_environment_takes_no_wrapper_of_several():
    with pytest.raises(ConfigError, match="normalize_observation: .*use EnvFactory"):
        make_env("CartPole-v1", wrappers=["normalize_observation"])


def test_a_missing_package_names_our_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    gym.register("HwTestsImage-v0", ImageEnv)
    try:
        with pytest.raises(ConfigError, match=r"resize_observation: .*pip install -e '.\[atari\]'"):
            make_env("HwTestsImage-v0", wrappers=[{"resize_observation": {"shape": [4, 4]}}])
    finally:
        gym.registry.pop("HwTestsImage-v0")


class ImageEnv(gym.Env):
    observation_space = gym.spaces.Box(0, 255, (8, 8, 3), "uint8")
    action_space = gym.spaces.Discrete(2)

    def __init__(self, render_mode=None):
        pass


# Of others


def test_a_wrapper_of_one_s_own_is_found_and_given_its_arguments(module, drive):
    factory = EnvFactory("CartPole-v1", wrappers=[{"hw_tests_wrappers:Shift": {"by": 2.5}}])
    rewards = [event.rewards for event in drive(factory.make_training_envs(2), 5)][1:]
    assert {reward for step in rewards for reward in step} == {3.5}


def test_evaluation_leaves_out_what_changes_rewards_or_is_for_training(module, drive):
    names = ["Shift", "Exploration", "OfVector"]
    wrappers = [f"hw_tests_wrappers:{name}" for name in names]
    wrappers += [{"scale_reward": {"factor": 2.0}}, "normalize_observation"]
    wrappers = [{"frame_stack": {"num_frames": 2}}, *wrappers]
    wrappers += [CLIP, {"normalize_reward": {"discount": 0.9}}]
    factory = EnvFactory("CartPole-v1", wrappers=wrappers)
    training, evaluation = factory.make_training_envs(2), factory.make_evaluation_envs(2)
    outer = ["NormalizeReward", "ClipReward", "NormalizeObservation", "ScaleReward", "OfVector"]
    assert list(layers(training)) == outer
    assert list(layers(evaluation)) == ["NormalizeObservation", "OfVector"]
    assert (training.env.env.is_frozen, evaluation.is_frozen) == (False, True)
    assert (training.env.env.env.env.is_frozen, evaluation.env.is_frozen) == (False, True)
    inner = list(layers(training.unwrapped.envs[0]))
    assert [name for name in inner if name in ("Exploration", "Shift", "FrameStack")] == [
        "Exploration",
        "Shift",
        "FrameStack",
    ]
    inner = list(layers(evaluation.unwrapped.envs[0]))
    assert [name for name in inner if name in ("Exploration", "Shift", "FrameStack")] == [
        "FrameStack"
    ]
    for event in drive(evaluation, 20)[1:]:
        if event.rewards is not None:
            assert event.rewards.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("algorithm", ["sac", "td3", "dqn"])
def test_a_replay_buffer_goes_with_no_scale_of_rewards_that_changes(algorithm):
    wrappers = ["normalize_observation", {"normalize_reward": {"discount": 0.9}}]
    with pytest.raises(ConfigError, match="wrappers: normalize_reward .* use scale_reward"):
        bind({"base_config": algorithm, "env_name": "Pendulum-v1", "wrappers": wrappers})


def test_what_a_replay_buffer_normalises_is_changed_by_nothing_after_that(module):
    rewards = [{"clip_reward": {"low": -1, "high": 1}}, {"scale_reward": {"factor": 2.0}}]
    own = f"{module}:OfVector"
    EnvFactory("CartPole-v1", wrappers=[own, "normalize_observation", *rewards]).check_replay()
    factory = EnvFactory("CartPole-v1", wrappers=["normalize_observation", own])
    with pytest.raises(ConfigError, match=f"wrappers: {own} must come before normalize_obs"):
        factory.check_replay()
