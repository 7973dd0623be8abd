"""Evaluation on an environment whose return has a closed form.

An episode with seed s lasts s % 11 + 1 steps. Its t-th action a pays 1000 (s % 17) + 10 t + a.
"""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.infrastructure.evaluation import MAX_EVAL_ENVS, Evaluation, Evaluator, evaluate


def episode_length(seed):
    return seed % 11 + 1


def episode_return(seed, action=lambda seed, t: 0.0):
    steps = range(1, episode_length(seed) + 1)
    return sum(1000.0 * (seed % 17) + 10.0 * t + action(seed, t - 1) for t in steps)


class PayingEnv(gym.Env):
    metadata = {"render_modes": ["rgb_array"], "render_fps": 12}
    observation_space = Box(-np.inf, np.inf, (2,), np.float64)
    action_space = Box(-np.inf, np.inf, (1,), np.float64)

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.seed, self.count = seed, 0
        return np.array([seed, 0.0]), {}

    def step(self, action):
        assert self.count < episode_length(self.seed), "stepped after its end"
        self.count += 1
        reward = 1000.0 * (self.seed % 17) + 10.0 * self.count + action[0]
        at_end = self.count == episode_length(self.seed)
        is_terminal = self.seed % 2 == 0
        observation = np.array([self.seed, self.count], np.float64)
        return observation, reward, at_end and is_terminal, at_end and not is_terminal, {}

    def render(self):
        assert self.render_mode == "rgb_array"
        return np.full((2, 2, 3), [self.seed % 256, self.count, 0], np.uint8)


def make_envs(num_envs, render_mode=None):
    return SyncVectorEnv(
        [lambda: PayingEnv(render_mode)] * num_envs, autoreset_mode=AutoresetMode.DISABLED
    )


class Agent:
    """Acts by a function of (N, 2) observations; remembers how it was called."""

    def __init__(self, function=lambda observations: np.zeros((len(observations), 1))):
        self.function = function
        self.calls = []

    def get_action(self, observation, step=None, deterministic=False):
        self.calls.append((observation.copy(), step, deterministic))
        return self.function(observation)


def sampling_agent():
    return Agent(lambda observations: torch.rand(len(observations), 1).numpy())


seed_lists = st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=20)


@settings(max_examples=60, deadline=None)
@given(seeds=seed_lists, num_envs=st.integers(1, 6))
def test_each_seed_is_evaluated_exactly_once_whatever_the_number_of_environments(seeds, num_envs):
    agent = Agent(lambda observations: np.sin(observations.sum(axis=1, keepdims=True)))
    evaluation = evaluate(agent, make_envs(num_envs), seeds)
    returns = [episode_return(seed, lambda seed, t: np.sin(seed + t)) for seed in seeds]
    np.testing.assert_allclose(evaluation.returns, returns, rtol=1e-12)
    assert evaluation.lengths.tolist() == [episode_length(seed) for seed in seeds]


def test_a_deterministic_agent_gets_the_same_bits_from_any_number_of_environments():
    agent = Agent(lambda observations: np.sin(observations.sum(axis=1, keepdims=True)))
    seeds = list(range(100, 123))
    expected = evaluate(agent, make_envs(1), seeds)
    for num_envs in (2, 5, 23, 30):
        found = evaluate(agent, make_envs(num_envs), seeds)
        np.testing.assert_array_equal(found.returns, expected.returns)
        np.testing.assert_array_equal(found.lengths, expected.lengths)


def test_an_evaluation_does_not_depend_on_the_one_before():
    envs = make_envs(4)
    agent = Agent()
    fresh = evaluate(agent, make_envs(4), [3, 8, 21])
    evaluate(agent, envs, [10, 10, 0, 10, 5])
    again = evaluate(agent, envs, [3, 8, 21])
    np.testing.assert_array_equal(again.returns, fresh.returns)


def test_no_time_is_spent_after_the_last_episode():
    agent = Agent()
    seeds = [10, 0, 0, 0, 0]  # lasting 11, 1, 1, 1 and 1 steps
    evaluate(agent, make_envs(2), seeds)
    assert len(agent.calls) == 11


def test_the_agent_is_told_the_step_and_whether_to_sample():
    for deterministic in (True, False):
        agent = Agent()
        evaluate(agent, make_envs(2), [4, 5], deterministic=deterministic, step=77)
        assert {call[1:] for call in agent.calls} == {(77, deterministic)}


def test_torchs_generator_is_left_as_it_was():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    evaluate(sampling_agent(), make_envs(2), [1, 2, 3], deterministic=False)
    torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)


def test_torchs_generator_is_left_as_it_was_also_by_an_agent_that_fails():
    def fail(observations):
        torch.rand(1)
        raise RuntimeError("a mistake of a student")

    torch.manual_seed(0)
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="mistake"):
        evaluate(Agent(fail), make_envs(1), [1])
    assert torch.equal(torch.get_rng_state(), before)


def test_sampled_actions_come_from_the_first_seed():
    returns = []
    for global_seed, seeds in ((1, [5, 6, 7]), (2, [5, 6, 7]), (1, [16, 6, 7])):
        torch.manual_seed(global_seed)
        evaluation = evaluate(sampling_agent(), make_envs(2), seeds, deterministic=False)
        returns.append(evaluation.returns - [episode_return(seed) for seed in seeds])
    np.testing.assert_array_equal(returns[0], returns[1])
    assert not np.array_equal(returns[0], returns[2])


@pytest.mark.parametrize("num_envs", [1, 2, 7])
@pytest.mark.parametrize("num_videos", [3, 5])
def test_the_first_episodes_are_recorded_frame_by_frame(num_envs, num_videos):
    seeds = [9, 0, 30, 4, 2]
    evaluation = evaluate(Agent(), make_envs(num_envs, "rgb_array"), seeds, num_videos=num_videos)
    assert len(evaluation.videos) == num_videos
    for seed, frames in zip(seeds, evaluation.videos, strict=False):
        assert frames.dtype == np.uint8
        num_frames = episode_length(seed) + 1  # the last observation is seen too
        assert frames.shape == (num_frames, 2, 2, 3)
        assert set(frames[..., 0].ravel()) == {seed}
        np.testing.assert_array_equal(frames[:, 0, 0, 1], np.arange(num_frames))


def test_more_videos_than_episodes_are_as_many_as_episodes():
    assert len(evaluate(Agent(), make_envs(1, "rgb_array"), [1, 2], num_videos=9).videos) == 2


def test_recording_changes_no_result():
    agent, seeds = Agent(), [9, 0, 30, 4, 2]
    silent = evaluate(agent, make_envs(2), seeds)
    recorded = evaluate(agent, make_envs(2, "rgb_array"), seeds, num_videos=2)
    assert silent.videos == []
    np.testing.assert_array_equal(recorded.returns, silent.returns)


def test_metrics_by_hand():
    metrics = Evaluation(np.array([1.0, 5.0, 3.0, 3.0]), np.array([2, 4, 4, 10])).metrics()
    assert metrics == {
        "eval/return_mean": 3.0,
        "eval/return_std": pytest.approx(np.sqrt(2.0)),
        "eval/return_min": 1.0,
        "eval/return_max": 5.0,
        "eval/episode_length_mean": 5.0,
    }


# The evaluator


def make_evaluator(num_episodes=3, num_videos=0, seed=0, deterministic=True, made=None):
    def record_and_make(num_envs, render_mode):
        if made is not None:
            made.append((num_envs, render_mode))
        return make_envs(num_envs, render_mode)

    return Evaluator(record_and_make, num_episodes, num_videos, deterministic, seed)


def first_seeds(agent):
    """The seeds that the agent saw episodes begin with."""
    beginnings = [call[0][call[0][:, 1] == 0, 0] for call in agent.calls]
    return np.concatenate(beginnings).astype(int).tolist()


def test_each_evaluation_draws_fresh_seeds_from_the_evaluators_own():
    agent, same, other = Agent(), Agent(), Agent()
    evaluator = make_evaluator(num_episodes=1)
    for step in range(8):
        evaluator.run(agent, step, {})
    seeds = first_seeds(agent)
    assert len(set(seeds)) == 8
    repeated = make_evaluator(num_episodes=1)
    for step in range(8):
        repeated.run(same, step, {})
    assert first_seeds(same) == seeds
    make_evaluator(num_episodes=1, seed=1).run(other, 0, {})
    assert first_seeds(other)[0] not in seeds


def test_the_seeds_depend_on_the_step_and_not_on_earlier_evaluations():
    agent = Agent()
    evaluator, fresh = make_evaluator(), make_evaluator()
    evaluator.run(agent, 0, {})
    np.testing.assert_array_equal(
        fresh.run(agent, 1, {}).returns, evaluator.run(agent, 1, {}).returns
    )


@pytest.mark.parametrize(
    ("num_episodes", "num_videos", "expected"),
    [
        (1, 0, (1, None)),
        (5, 2, (5, "rgb_array")),
        (MAX_EVAL_ENVS + 4, 0, (MAX_EVAL_ENVS, None)),
    ],
)
def test_environments_are_made_once_and_render_only_for_videos(num_episodes, num_videos, expected):
    made = []
    evaluator = make_evaluator(num_episodes, num_videos, made=made)
    assert made == []
    evaluations = [evaluator.run(Agent(), step, {}) for step in (10, 20)]
    assert made == [expected]
    for evaluation in evaluations:
        assert evaluation.returns.shape == evaluation.lengths.shape == (num_episodes,)
        assert len(evaluation.videos) == num_videos
    assert evaluator.frames_per_second == 12


def test_the_evaluator_hands_its_settings_to_the_agent():
    for deterministic in (True, False):
        agent = Agent()
        make_evaluator(deterministic=deterministic).run(agent, 5, {})
        assert {call[1:] for call in agent.calls} == {(5, deterministic)}


def test_an_evaluator_that_never_ran_can_be_closed():
    make_evaluator().close()
