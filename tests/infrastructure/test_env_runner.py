"""The env runner on an environment that counts, and restored on environments that simulate.

The counting environment's observation says which episode it belongs to (by its seed), how many
steps were made in it, and the last action.
"""

import copy
from itertools import pairwise

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.envs.make_env import EnvFactory
from hw.infrastructure.checkpoint import load_state, save_state
from hw.infrastructure.env_runner import EnvRunner, Episode


def how_it_ends(seed):
    """(length, terminated, truncated) of the counting environment's episode with this seed."""
    return 1 + seed % 6, seed % 3 != 0, seed % 3 != 1


class CountingEnv(gym.Env):
    observation_space = Box(-np.inf, np.inf, (3,), np.float64)
    action_space = Box(-np.inf, np.inf, (1,), np.float64)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        assert seed is not None
        self.seed, self.count = seed, 0
        self.length, self.terminated, self.truncated = how_it_ends(seed)
        return np.array([seed, 0.0, 0.0]), {}

    def step(self, action):
        assert self.count < self.length, "stepped after its end"
        self.count += 1
        observation = np.array([self.seed, self.count, action[0]])
        at_end = self.count == self.length
        reward = 100.0 * action[0] + self.count
        return observation, reward, at_end and self.terminated, at_end and self.truncated, {}


class EndlessEnv(CountingEnv):
    def reset(self, *, seed=None, options=None):
        observation, info = super().reset(seed=seed, options=options)
        self.length = np.inf
        return observation, info


def counting_runner(num_envs, seed=0, env=CountingEnv):
    envs = SyncVectorEnv([env] * num_envs, autoreset_mode=AutoresetMode.DISABLED)
    return EnvRunner(envs, seed)


def play(runner, num_steps, first_action=1):
    """Step with actions that are all different; returns what each step returned."""
    shape = (runner.num_envs, 1)
    results = []
    for step in range(first_action, first_action + num_steps):
        actions = np.arange(runner.num_envs, dtype=float).reshape(shape) / 8 + step
        results.append(runner.step(actions))
    return results


runs = given(
    num_envs=st.integers(1, 4), seed=st.integers(0, 2**64 - 1), num_steps=st.integers(1, 40)
)


@settings(max_examples=40, deadline=None)
@runs
def test_no_transition_mixes_two_episodes(num_envs, seed, num_steps):
    runner = counting_runner(num_envs, seed)
    runner.reset()
    for transitions, _ in play(runner, num_steps):
        episode_seeds, counts, _ = transitions.observations.T
        next_seeds, next_counts, last_actions = transitions.next_observations.T
        np.testing.assert_array_equal(next_seeds, episode_seeds)
        np.testing.assert_array_equal(next_counts, counts + 1)
        np.testing.assert_array_equal(last_actions, transitions.actions[:, 0])
        np.testing.assert_array_equal(
            transitions.rewards, 100.0 * transitions.actions[:, 0] + next_counts
        )


@settings(max_examples=40, deadline=None)
@runs
def test_termination_and_truncation_are_kept_apart(num_envs, seed, num_steps):
    runner = counting_runner(num_envs, seed)
    runner.reset()
    for transitions, _ in play(runner, num_steps):
        for i in range(num_envs):
            episode_seed, count, _ = transitions.next_observations[i].astype(int)
            length, terminated, truncated = how_it_ends(episode_seed)
            assert transitions.dones[i] == (terminated and count == length)
            assert transitions.truncateds[i] == (truncated and count == length)


@settings(max_examples=40, deadline=None)
@runs
def test_each_step_acts_on_what_the_last_one_led_to(num_envs, seed, num_steps):
    runner = counting_runner(num_envs, seed)
    first_observations = runner.reset().copy()
    results = [transitions for transitions, _ in play(runner, num_steps)]
    np.testing.assert_array_equal(results[0].observations, first_observations)
    np.testing.assert_array_equal(first_observations[:, 1:], np.zeros((num_envs, 2)))
    for earlier, later in pairwise(results):
        for i in range(num_envs):
            if earlier.dones[i] or earlier.truncateds[i]:
                assert later.observations[i, 0] != earlier.observations[i, 0]
                np.testing.assert_array_equal(later.observations[i, 1:], [0.0, 0.0])
            else:
                np.testing.assert_array_equal(later.observations[i], earlier.next_observations[i])


@settings(max_examples=40, deadline=None)
@runs
def test_each_episode_is_reported_once_with_its_return_length_and_seed(num_envs, seed, num_steps):
    runner = counting_runner(num_envs, seed)
    runner.reset()
    rewards = [[] for _ in range(num_envs)]
    for transitions, episodes in play(runner, num_steps):
        expected = []
        for i in range(num_envs):
            rewards[i].append(transitions.rewards[i])
            if transitions.dones[i] or transitions.truncateds[i]:
                episode_seed = int(transitions.observations[i, 0])
                assert len(rewards[i]) == how_it_ends(episode_seed)[0]
                expected.append((sum(rewards[i]), len(rewards[i]), episode_seed))
                rewards[i] = []
        found = [(e.episode_return, e.episode_length, e.seed) for e in episodes]
        assert found == expected


def test_a_step_is_counted_by_hand():
    """Lane 0 terminates, 1 is truncated, 2 goes on, 3 does both."""
    runner = counting_runner(4)
    runner.reset()
    runner.episode_returns[:] = 10.0
    runner.episode_lengths[:] = 5
    seeds = runner.episode_seeds.tolist()
    dones, truncateds = np.array([True, False, False, True]), np.array([False, True, False, True])
    episodes = runner.count_step(np.array([1.0, 2.0, 3.0, 4.0]), dones, truncateds)
    assert episodes == [
        Episode(11.0, 6, seeds[0]),
        Episode(12.0, 6, seeds[1]),
        Episode(14.0, 6, seeds[3]),
    ]
    assert runner.episode_returns.tolist() == [0.0, 0.0, 13.0, 0.0]
    assert runner.episode_lengths.tolist() == [0, 0, 6, 0]
    assert runner.episode_seeds[2] == seeds[2]
    assert not set(runner.episode_seeds[[0, 1, 3]]) & set(seeds)
    assert dones.tolist() == [True, False, False, True]


def test_every_episode_has_a_seed_of_its_own_and_the_runs_seed_decides_them():
    def seeds_seen(seed):
        runner = counting_runner(3, seed)
        runner.reset()
        return [
            int(transitions.observations[i, 0])
            for transitions, _ in play(runner, 100)
            for i in range(3)
            if transitions.observations[i, 1] == 0
        ]

    seeds = seeds_seen(7)
    assert len(seeds) > 60
    assert len(set(seeds)) == len(seeds)
    assert seeds == seeds_seen(7)
    assert not set(seeds) & set(seeds_seen(8))


def test_transitions_are_not_changed_by_later_steps():
    runner = counting_runner(3)
    runner.reset()
    results = play(runner, 1)
    kept = copy.deepcopy(results[0][0])
    play(runner, 20, first_action=2)
    for name, values in vars(results[0][0]).items():
        np.testing.assert_array_equal(values, vars(kept)[name])


def test_resetting_abandons_the_episodes_under_way():
    runner = counting_runner(2, seed=3)
    runner.reset()
    play(runner, 4)
    before = runner.observations.copy()
    runner.reset()
    assert not set(before[:, 0]) & set(runner.observations[:, 0])
    assert runner.state_dict()["recent_actions"].size == 0
    _, episodes = zip(*play(runner, 7), strict=True)
    for episode in sum(episodes, []):
        assert episode.episode_length == how_it_ends(episode.seed)[0]


@settings(max_examples=30, deadline=None)
@runs
def test_only_the_actions_of_the_longest_episode_under_way_are_kept(num_envs, seed, num_steps):
    runner = counting_runner(num_envs, seed)
    runner.reset()
    for _ in range(num_steps):
        play(runner, 1)
        assert len(runner.state_dict()["recent_actions"]) == runner.observations[:, 1].max()


def test_an_environment_that_resets_itself_is_refused():
    envs = SyncVectorEnv([CountingEnv], autoreset_mode=AutoresetMode.NEXT_STEP)
    with pytest.raises(ValueError, match="autoreset"):
        EnvRunner(envs, seed=0)


# Restoring


def assert_same_results(results, others):
    for (transitions, episodes), (other_transitions, other_episodes) in zip(
        results, others, strict=True
    ):
        assert episodes == other_episodes
        for name, values in vars(transitions).items():
            np.testing.assert_array_equal(values, vars(other_transitions)[name])


@settings(max_examples=40, deadline=None)
@runs
def test_a_restored_runner_goes_on_like_the_original(num_envs, seed, num_steps):
    runner = counting_runner(num_envs, seed)
    runner.reset()
    play(runner, num_steps)
    restored = counting_runner(num_envs, seed=12345)
    restored.load_state_dict(copy.deepcopy(runner.state_dict()))
    np.testing.assert_array_equal(restored.observations, runner.observations)
    first_action = num_steps + 1
    assert_same_results(play(restored, 25, first_action), play(runner, 25, first_action))


def test_a_state_is_not_changed_by_later_steps():
    runner = counting_runner(2, seed=5, env=EndlessEnv)
    runner.reset()
    play(runner, 3)
    state = runner.state_dict()
    kept = copy.deepcopy(state)
    play(runner, 5)
    np.testing.assert_equal(state, kept)


def test_actions_are_remembered_also_when_their_array_is_used_again():
    runner = counting_runner(2, env=EndlessEnv)
    runner.reset()
    actions = np.zeros((2, 1))
    for step in range(4):
        actions[:] = step
        runner.step(actions)
    remembered = runner.state_dict()["recent_actions"]
    np.testing.assert_array_equal(remembered[:, 0, 0], [0.0, 1.0, 2.0, 3.0])


@pytest.mark.parametrize("num_envs", [1, 3])
@pytest.mark.parametrize(
    ("env_name", "max_episode_steps"),
    [("CartPole-v1", None), ("Pendulum-v1", 23), ("Hopper-v5", None)],
)
def test_an_environments_state_is_restored_to_the_last_bit(
    tmp_path, env_name, max_episode_steps, num_envs
):
    """After 50 steps, in the middle of episodes; the state goes through a file."""

    def make_runner(seed):
        factory = EnvFactory(env_name, max_episode_steps=max_episode_steps)
        envs = factory.make_training_envs(num_envs)
        envs.action_space.seed(0)
        return EnvRunner(envs, seed)

    runner = make_runner(seed=num_envs)
    runner.reset()
    actions = [runner.envs.action_space.sample() for _ in range(100)]
    for action in actions[:50]:
        runner.step(action)
    lengths = runner.state_dict()["episode_lengths"]
    assert lengths.max() > 0
    assert env_name == "Pendulum-v1" or num_envs == 1 or len(set(lengths)) > 1

    save_state(tmp_path / "runner.npz", runner.state_dict())
    restored = make_runner(seed=99)
    restored.reset()
    restored.step(actions[0])
    restored.load_state_dict(load_state(tmp_path / "runner.npz"))
    np.testing.assert_array_equal(restored.observations, runner.observations)
    assert restored.observations.dtype == runner.observations.dtype
    assert_same_results(
        [restored.step(action) for action in actions[50:]],
        [runner.step(action) for action in actions[50:]],
    )


def test_lanes_restored_in_different_episodes_keep_their_own_beginnings():
    runner = counting_runner(2, seed=1)
    runner.reset()
    while len(set(runner.observations[:, 1])) == 1 or runner.observations[:, 1].min() == 0:
        play(runner, 1)
    observations = runner.observations.copy()
    restored = counting_runner(2, seed=2)
    restored.load_state_dict(runner.state_dict())
    np.testing.assert_array_equal(restored.observations, observations)
    counts = [env.count for env in restored.envs.envs]
    assert counts == observations[:, 1].tolist()


def test_a_rollout_is_what_the_single_steps_would_have_been():
    def act(observations):
        return observations[:, 1:2] / 8 + 1.0

    runner, stepped = counting_runner(3, seed=5), counting_runner(3, seed=5)
    stepped.reset()
    for num_steps in (7, 4):  # the second goes on where the first ended
        rollout, episodes = runner.collect_rollouts(num_steps, act)
        expected = [stepped.step(act(stepped.observations)) for _ in range(num_steps)]
        for name, values in rollout.items():
            assert values.shape[:2] == (num_steps, 3)
            np.testing.assert_array_equal(
                values, np.stack([getattr(transitions, name) for transitions, _ in expected])
            )
        assert episodes == [episode for _, ended in expected for episode in ended]
