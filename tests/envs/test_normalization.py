"""Running statistics and the wrappers that use them, against numpy over everything seen."""

import copy

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode, VectorEnv
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hw.envs.make_env import EnvFactory
from hw.envs.normalization import NormalizeObservation, NormalizeReward, RunningMeanStd


class ScriptedEnvs(VectorEnv):
    """Two environments that return what they are told."""

    def __init__(self, observations=None, rewards=None, ended=None):
        self.num_envs = 2
        self.single_observation_space = Box(-np.inf, np.inf, (1,), np.float64)
        self.observation_space = Box(-np.inf, np.inf, (2, 1), np.float64)
        self.single_action_space = Discrete(2)
        self.metadata = {"autoreset_mode": AutoresetMode.DISABLED}
        self.observations = iter(observations if observations is not None else [[0, 0]] * 99)
        self.rewards = iter(rewards if rewards is not None else [[0.0, 0.0]] * 99)
        self.ended = iter(ended if ended is not None else [[False, False]] * 99)

    def reset(self, *, seed=None, options=None):
        (options or {}).pop("reset_mask", None)  # as Gymnasium does
        return self._next(), {}

    def step(self, actions):
        rewards, ended = np.array(next(self.rewards)), np.array(next(self.ended))
        return self._next(), rewards, ended, np.zeros(2, np.bool_), {}

    def _next(self):
        return np.array(next(self.observations), np.float64)[:, None]


# Running statistics

samples = hnp.arrays(
    np.float64,
    st.tuples(st.integers(0, 30), st.integers(1, 3)),
    elements=st.floats(-1e6, 1e6, allow_subnormal=False),
)


@given(samples, st.data())
def test_any_split_into_batches_gives_numpy_s_moments(values, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=6)))
    statistics = RunningMeanStd(values.shape[1:])
    for batch in np.split(values, cuts):
        statistics.update(batch)
    assert statistics.count == len(values)
    if len(values) == 0:
        np.testing.assert_array_equal(statistics.mean, 0.0)
        np.testing.assert_array_equal(statistics.variance, 1.0)
        return
    scale = np.abs(values).max() + 1e-300
    np.testing.assert_allclose(statistics.mean, values.mean(axis=0), rtol=0, atol=1e-13 * scale)
    np.testing.assert_allclose(
        statistics.variance, values.var(axis=0), rtol=1e-12, atol=1e-13 * scale**2
    )


def test_moments_by_hand():
    statistics = RunningMeanStd(())
    statistics.update(np.array([1.0, 3.0]))
    assert (statistics.mean, statistics.variance, statistics.count) == (2.0, 1.0, 2)
    statistics.merge(mean=8.0, variance=4.0, count=2)  # of 6 and 10
    assert (statistics.mean, statistics.variance, statistics.count) == (5.0, 11.5, 4)


def test_one_sample_has_no_variance_and_none_changes_nothing():
    statistics = RunningMeanStd((2,))
    statistics.update(np.array([[3.0, -1.0]]))
    np.testing.assert_array_equal(statistics.mean, [3.0, -1.0])
    np.testing.assert_array_equal(statistics.variance, [0.0, 0.0])
    before = statistics.state_dict()
    statistics.update(np.empty((0, 2)))
    np.testing.assert_equal(statistics.state_dict(), before)


def test_a_large_mean_does_not_swallow_the_variance():
    values = 1e9 + np.arange(1000.0)
    statistics = RunningMeanStd(())
    for value in values:
        statistics.update(value[None])
    np.testing.assert_allclose(statistics.variance, values.var(), rtol=1e-9)


def test_integers_do_not_overflow():
    statistics = RunningMeanStd((1,))
    statistics.update(np.full((300, 1), 255, np.uint8))
    assert statistics.mean == 255.0
    assert statistics.variance == 0.0


def test_a_state_is_a_copy_and_of_the_same_shape():
    statistics, other = RunningMeanStd((2,)), RunningMeanStd((2,))
    statistics.update(np.arange(6.0).reshape(3, 2))
    state = statistics.state_dict()
    kept = copy.deepcopy(state)
    other.load_state_dict(state)
    for one in (statistics, other):
        one.update(np.ones((1, 2)))
    np.testing.assert_equal(state, kept)
    np.testing.assert_equal(statistics.state_dict(), other.state_dict())
    with pytest.raises(ValueError, match=r"shape \(2,\) do not fit \(3,\)"):
        RunningMeanStd((3,)).load_state_dict(state)


# Observations


def raw_and_normalized(drive, num_steps, num_envs, env_name="CartPole-v1", **kwargs):
    plain = EnvFactory(env_name, **kwargs).make_training_envs(num_envs)
    factory = EnvFactory(env_name, wrappers=["normalize_observation"], **kwargs)
    envs = factory.make_training_envs(num_envs)
    return drive(plain, num_steps), drive(envs, num_steps), envs


@pytest.mark.parametrize("num_envs", [1, 3])
def test_the_statistic_is_that_of_each_observation_once(drive, num_envs):
    raw, normalized, envs = raw_and_normalized(drive, 200, num_envs)
    seen = np.empty((0, 4))
    for before, after in zip(raw, normalized, strict=True):
        seen = np.concatenate([seen, before.observations[before.is_new]])
        expected = (before.observations - seen.mean(0)) / np.sqrt(seen.var(0) + 1e-8)
        np.testing.assert_allclose(
            after.observations, np.clip(expected, -10, 10), rtol=1e-5, atol=1e-5
        )
        assert after.observations.dtype == np.float32
    assert sum(0 < event.is_new.sum() < num_envs for event in raw) > (5 if num_envs > 1 else -1)
    assert envs.statistics.count == len(seen)
    np.testing.assert_allclose(envs.statistics.mean, seen.mean(0), rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(envs.statistics.variance, seen.var(0), rtol=1e-10)


def test_after_1000_random_steps_observations_have_mean_0_and_variance_1(drive):
    """Exactly so under the last statistic; roughly so as they were returned on the way."""
    raw, normalized, envs = raw_and_normalized(drive, 1000, 1)
    values = np.concatenate([event.observations for event in raw])
    last = envs.normalize(values).astype(np.float64)
    np.testing.assert_allclose(last.mean(0), 0.0, atol=1e-5)
    np.testing.assert_allclose(last.var(0), 1.0, atol=1e-5)
    returned = np.concatenate([event.observations for event in normalized])
    np.testing.assert_allclose(returned.mean(0), 0.0, atol=0.15)
    np.testing.assert_allclose(returned.var(0), 1.0, atol=0.3)


def test_a_masked_reset_returns_all_but_counts_the_new():
    envs = NormalizeObservation(ScriptedEnvs(observations=[[0, 2], [4, 6], [5, 6]]), epsilon=1e-12)
    envs.reset(seed=[0, 1])
    envs.step(np.zeros(2, np.int64))
    mask = np.array([True, False])
    observations, _ = envs.reset(seed=[0, 1], options={"reset_mask": mask})
    seen = np.array([0, 2, 4, 6, 5])  # the second environment's 6 once
    assert envs.statistics.count == 5
    expected = (np.array([[5], [6]]) - seen.mean()) / seen.std()
    np.testing.assert_allclose(observations, expected, rtol=1e-6)


def test_observations_are_clipped_and_the_space_says_so():
    envs = NormalizeObservation(ScriptedEnvs(observations=[[0, 0]] * 400 + [[1, 0]]), clip=3.0)
    assert envs.single_observation_space == Box(-3.0, 3.0, (1,), np.float32)
    assert envs.observation_space == Box(-3.0, 3.0, (2, 1), np.float32)
    envs.reset()
    for _ in range(98):
        envs.step(np.zeros(2, np.int64))
    envs.env.observations = iter([[1, 0]])
    observations, *_ = envs.step(np.zeros(2, np.int64))
    assert observations[0, 0] == 3.0
    assert observations in envs.observation_space


def test_a_component_that_never_changes_stays_finite():
    envs = NormalizeObservation(ScriptedEnvs(observations=[[7, 7]] * 2))
    np.testing.assert_array_equal(envs.reset()[0], np.zeros((2, 1)))


def test_only_a_box_can_be_normalized():
    envs = ScriptedEnvs()
    envs.single_observation_space = Discrete(3)
    with pytest.raises(TypeError, match=r"needs a Box of observations, not Discrete\(3\)"):
        NormalizeObservation(envs)


@pytest.mark.parametrize("arguments", [{"clip": 0.0}, {"epsilon": -1.0}, {"clip": np.nan}])
def test_arguments_that_make_no_sense_are_refused(arguments):
    with pytest.raises(ValueError, match="must be positive and finite"):
        NormalizeObservation(ScriptedEnvs(), **arguments)
    with pytest.raises(ValueError, match="must be positive and finite"):
        NormalizeReward(ScriptedEnvs(), discount=0.9, **arguments)


def test_evaluation_uses_the_statistic_of_training_and_leaves_it(drive):
    factory = EnvFactory("CartPole-v1", wrappers=[{"normalize_observation": {"clip": 5.0}}])
    training = factory.make_training_envs(3)
    drive(training, 50)
    evaluation = factory.make_evaluation_envs(2)
    evaluation.load_state_dict(training.state_dict())
    before = evaluation.state_dict()
    normalized = drive(evaluation, 100, seed=9)
    np.testing.assert_equal(evaluation.state_dict(), before)
    raw = drive(EnvFactory("CartPole-v1").make_evaluation_envs(2), 100, seed=9)
    mean, variance = before["statistics"]["mean"], before["statistics"]["variance"]
    for plain, event in zip(raw, normalized, strict=True):
        expected = np.clip((plain.observations - mean) / np.sqrt(variance + 1e-8), -5, 5)
        np.testing.assert_allclose(event.observations, expected, rtol=1e-5, atol=1e-6)


# Rewards


def by_definition(rewards, ended, discount, epsilon=1e-8, clip=10.0):
    """Normalised rewards (T, 2), straight from the words: all discounted returns, then numpy."""
    returns, under_way, seen = [], np.zeros(2), []
    for reward, end in zip(rewards, ended, strict=True):
        under_way = discount * under_way + reward
        seen.extend(under_way)
        returns.append(np.clip(reward / np.sqrt(np.var(seen) + epsilon), -clip, clip))
        under_way[end] = 0.0
    return np.array(returns)


def test_rewards_are_divided_by_the_deviation_of_discounted_returns():
    generator = np.random.default_rng(0)
    rewards = generator.normal(3.0, 50.0, (90, 2))
    ended = generator.random((90, 2)) < 0.1
    assert (ended.sum(axis=1) == 1).sum() > 5
    envs = NormalizeReward(ScriptedEnvs(rewards=rewards, ended=ended), discount=0.9)
    envs.reset()
    found = np.array([envs.step(np.zeros(2, np.int64))[1] for _ in range(90)])
    np.testing.assert_allclose(found, by_definition(rewards, ended, 0.9), rtol=1e-9)


def test_a_discounted_return_by_hand():
    """Environment 0 ends in its second step, so that its third begins at 0 again."""
    ended = [[False, False], [True, False], [False, False]]
    envs = NormalizeReward(ScriptedEnvs(rewards=[[1.0, 2.0]] * 3, ended=ended), discount=0.5)
    envs.reset()
    carried = []
    for _ in range(3):
        envs.step(np.zeros(2, np.int64))
        carried.append(envs.discounted_returns.tolist())
    assert carried == [[1.0, 2.0], [0.0, 3.0], [1.0, 3.5]]
    seen = [1.0, 2.0, 1.5, 3.0, 1.0, 3.5]
    np.testing.assert_allclose(envs.statistics.variance, np.var(seen))


def test_a_reset_in_mid_episode_forgets_only_what_it_resets():
    envs = NormalizeReward(ScriptedEnvs(rewards=[[1.0, 2.0]] * 3), discount=0.5)
    envs.reset()
    envs.step(np.zeros(2, np.int64))
    envs.reset(options={"reset_mask": np.array([True, False])})
    np.testing.assert_array_equal(envs.discounted_returns, [0.0, 2.0])
    envs.reset()
    np.testing.assert_array_equal(envs.discounted_returns, [0.0, 0.0])
    assert envs.statistics.count == 2


def test_normalized_rewards_are_clipped():
    rewards = [[0.0, 0.0]] * 98 + [[-5.0, 0.0]]
    envs = NormalizeReward(ScriptedEnvs(rewards=rewards), discount=0.9, clip=2.0)
    envs.reset()
    for _ in range(98):
        np.testing.assert_array_equal(envs.step(np.zeros(2, np.int64))[1], [0.0, 0.0])
    envs.env.observations = iter([[0, 0]])
    rewards = envs.step(np.zeros(2, np.int64))[1]
    np.testing.assert_array_equal(rewards, [-2.0, 0.0])


def test_a_discount_beyond_1_is_refused():
    with pytest.raises(ValueError, match="discount is 1.5"):
        NormalizeReward(ScriptedEnvs(), discount=1.5)


# State

BOTH = ["normalize_observation", {"normalize_reward": {"discount": 0.9}}]


def test_frozen_nothing_changes(drive):
    envs = EnvFactory("Pendulum-v1", wrappers=BOTH, max_episode_steps=20).make_training_envs(2)
    drive(envs, 30)
    layers = [envs, envs.env]
    before = [layer.state_dict() for layer in layers]
    for layer in layers:
        layer.is_frozen = True
    drive(envs, 50, seed=1)
    np.testing.assert_equal([layer.state_dict() for layer in layers], before)
    for layer in layers:
        layer.is_frozen = False
    drive(envs, 1)
    assert envs.statistics.count == before[0]["statistics"]["count"] + 2


def test_from_its_state_a_wrapper_goes_on_to_the_last_bit():
    generator = np.random.default_rng(3)
    rewards, ended = generator.normal(size=(90, 2)), generator.random((90, 2)) < 0.1
    observations = generator.normal(5.0, 2.0, (91, 2))

    def wrap(start):
        script = ScriptedEnvs(observations[start:], rewards[start:], ended[start:])
        return NormalizeObservation(NormalizeReward(script, discount=0.9))

    def play(envs, num_steps):
        return [envs.step(np.zeros(2, np.int64))[:2] for _ in range(num_steps)]

    whole = wrap(0)
    expected = play(whole, 80)[40:]
    first, second = wrap(0), wrap(40)
    play(first, 40)
    second.load_state_dict(first.state_dict())
    second.env.load_state_dict(first.env.state_dict())
    for found, wanted in zip(play(second, 40), expected, strict=True):
        np.testing.assert_array_equal(found[0], wanted[0])
        np.testing.assert_array_equal(found[1], wanted[1])


def test_discounted_returns_of_another_number_of_environments_are_refused():
    state = NormalizeReward(ScriptedEnvs(), discount=0.9).state_dict()
    state["discounted_returns"] = np.zeros(3)
    with pytest.raises(ValueError, match="the state of 3 environments, not 2"):
        NormalizeReward(ScriptedEnvs(), discount=0.9).load_state_dict(state)
