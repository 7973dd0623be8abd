"""Returns and advantages by hand, against plain loops, and against Stable-Baselines3."""

import math

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3.common.buffers import RolloutBuffer
from torch.utils._python_dispatch import TorchDispatchMode

from hw.agents.functional.returns import (
    backward_recurrence,
    discounted_return,
    explained_variance,
    gae,
    normalize,
    reward_to_go,
)

# Two episodes of two steps, and the first step of a third.
REWARDS = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
VALUES = torch.tensor([10.0, 20.0, 30.0, 40.0, 50.0])
NEXT_VALUES = torch.tensor([20.0, 100.0, 40.0, 200.0, 300.0])
NONE_OF_THEM = torch.zeros(5, dtype=torch.bool)
DONES = torch.tensor([False, True, False, False, False])
TRUNCATEDS = torch.tensor([False, False, False, True, False])


@st.composite
def collected_steps(draw):
    """Random rewards, values, dones and truncateds in float64, of shape (T,) or (T, N)."""
    num_steps = draw(st.integers(1, 40))
    shape = (num_steps, draw(st.integers(1, 3))) if draw(st.booleans()) else (num_steps,)
    end_probability = draw(st.sampled_from([0.0, 0.1, 0.5]))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    dones, truncateds = random.random((2, *shape)) < end_probability
    values = random.normal(size=shape)
    next_values = np.concatenate([values[1:], random.normal(size=(1, *shape[1:]))])
    next_values = np.where(dones | truncateds, random.normal(size=shape), next_values)
    arrays = (random.normal(size=shape), values, next_values, dones, truncateds)
    return [torch.from_numpy(array) for array in arrays]


def backwards(step, num_steps, like):
    """y_t = step(t, y_{t+1}) for t = T - 1 ... 0, from y_T = 0."""
    following, results = torch.zeros_like(like[0]), []
    for t in reversed(range(num_steps)):
        following = step(t, following)
        results.append(following)
    return torch.stack(results[::-1])


# The recurrence


@settings(max_examples=100, deadline=None)
@given(
    num_steps=st.integers(1, 70), zero_probability=st.floats(0.0, 1.0), seed=st.integers(0, 2**32)
)
def test_the_recurrence_is_a_loop_from_the_end(num_steps, zero_probability, seed):
    random = np.random.default_rng(seed)
    increments = torch.from_numpy(random.normal(size=(num_steps, 2)))
    decays = torch.from_numpy(random.random((num_steps, 2)))
    decays[torch.from_numpy(random.random((num_steps, 2)) < zero_probability)] = 0.0
    expected = backwards(lambda t, y: increments[t] + decays[t] * y, num_steps, increments)
    torch.testing.assert_close(backward_recurrence(increments, decays), expected)


def test_a_decay_of_zero_cuts_to_the_last_bit():
    increments = torch.tensor([0.1, 0.3, 1e30, 1e30])
    decays = torch.tensor([0.7, 0.0, 0.9, 0.9])
    first, second, *_ = backward_recurrence(increments, decays)
    assert second == increments[1]
    assert first == increments[0] + decays[0] * increments[1]


def test_a_long_recurrence_of_small_decays_stays_finite():
    """0.5^5000 is 0, and its reciprocal infinite."""
    sums = backward_recurrence(torch.ones(5000), torch.full((5000,), 0.5))
    assert sums.dtype == torch.float32
    torch.testing.assert_close(sums[:4000], torch.full((4000,), 2.0))
    assert sums[-1] == 1.0


def test_the_recurrence_keeps_the_type_of_its_increments():
    increments = torch.ones(3, dtype=torch.float32)
    sums = backward_recurrence(increments, torch.ones(3, dtype=torch.float64))
    assert sums.dtype == torch.float32
    torch.testing.assert_close(sums, torch.tensor([3.0, 2.0, 1.0]))


def test_the_recurrence_leaves_its_arguments_alone():
    increments, decays = torch.ones(5), torch.ones(5)
    backward_recurrence(increments, decays)
    assert (increments == 1.0).all()
    assert (decays == 1.0).all()


def test_gradient_flows_through_the_recurrence():
    torch.manual_seed(0)
    increments = torch.randn(6, 2, dtype=torch.float64, requires_grad=True)
    decays = torch.rand(6, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(backward_recurrence, (increments, decays))


class OperationCounter(TorchDispatchMode):
    """Counts the tensor operations within."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += 1
        return func(*args, **(kwargs or {}))


def test_four_times_as_many_steps_need_only_a_few_operations_more():
    def num_operations(num_steps):
        ends = torch.zeros(num_steps, 2)
        with OperationCounter() as counter:
            gae(*torch.randn(3, num_steps, 2), ends, ends, 0.99, 0.95)
        return counter.count

    assert 0 < num_operations(4096) - num_operations(1024) < 40
    assert num_operations(4096) < 200


# Returns


def test_every_step_of_an_episode_has_its_whole_return():
    returns = discounted_return(REWARDS, DONES, TRUNCATEDS, discount=0.5)
    torch.testing.assert_close(returns, torch.tensor([2.0, 2.0, 5.0, 5.0, 5.0]))


def test_reward_to_go_by_hand_without_values():
    returns = reward_to_go(REWARDS, DONES, TRUNCATEDS, discount=0.5)
    torch.testing.assert_close(returns, torch.tensor([2.0, 2.0, 5.0, 4.0, 5.0]))


def test_reward_to_go_bootstraps_at_truncation_and_where_the_collection_stopped():
    returns = reward_to_go(REWARDS, DONES, TRUNCATEDS, 0.5, NEXT_VALUES)
    # 4 + 0.5 * 200 = 104 before the time limit, 5 + 0.5 * 300 = 155 at the end, nothing at done.
    torch.testing.assert_close(returns, torch.tensor([2.0, 2.0, 55.0, 104.0, 155.0]))


def test_a_last_row_that_terminated_does_not_bootstrap():
    dones = torch.tensor([False] * 4 + [True])
    returns = reward_to_go(torch.ones(5), dones, NONE_OF_THEM, 1.0, NEXT_VALUES)
    torch.testing.assert_close(returns, torch.tensor([5.0, 4.0, 3.0, 2.0, 1.0]))


def test_a_step_both_done_and_truncated_does_not_bootstrap():
    returns = reward_to_go(REWARDS, DONES, DONES, 0.5, NEXT_VALUES)
    assert returns[1] == 2.0


@settings(max_examples=100, deadline=None)
@given(collected_steps(), st.floats(0.0, 1.0))
def test_returns_are_loops_over_episodes(steps, discount):
    rewards, _, next_values, dones, truncateds = steps
    num_steps, ended = len(rewards), dones | truncateds

    def plain(t, following):
        return rewards[t] + discount * torch.where(ended[t], 0.0, following)

    def bootstrapped(t, following):
        after = torch.where(truncateds[t] | (t == num_steps - 1), next_values[t], following)
        return rewards[t] + discount * torch.where(dones[t], 0.0, after)

    to_go = backwards(plain, num_steps, rewards)
    torch.testing.assert_close(reward_to_go(rewards, dones, truncateds, discount), to_go)
    torch.testing.assert_close(
        reward_to_go(rewards, dones, truncateds, discount, next_values),
        backwards(bootstrapped, num_steps, rewards),
    )
    whole = [to_go[0]]
    for t in range(1, num_steps):
        whole.append(torch.where(ended[t - 1], to_go[t], whole[-1]))
    torch.testing.assert_close(
        discounted_return(rewards, dones, truncateds, discount), torch.stack(whole)
    )


# Advantages


def test_gae_with_lambda_0_is_the_td_error():
    advantages = gae(REWARDS, VALUES, NEXT_VALUES, DONES, TRUNCATEDS, 0.5, 0.0)
    # 1 + 10 - 10; 2 - 20 at done; 3 + 20 - 30; 4 + 100 - 40 at the time limit; 5 + 150 - 50
    torch.testing.assert_close(advantages, torch.tensor([1.0, -18.0, -7.0, 64.0, 105.0]))


def test_gae_with_lambda_1_is_the_bootstrapped_return_less_the_value():
    advantages = gae(REWARDS, VALUES, NEXT_VALUES, DONES, TRUNCATEDS, 0.5, 1.0)
    torch.testing.assert_close(advantages, torch.tensor([-8.0, -18.0, 25.0, 64.0, 105.0]))
    to_go = reward_to_go(REWARDS, DONES, TRUNCATEDS, 0.5, NEXT_VALUES)
    torch.testing.assert_close(advantages, to_go - VALUES)


def test_gae_weighs_td_errors_by_discount_times_lambda():
    advantages = gae(REWARDS, VALUES, NEXT_VALUES, DONES, TRUNCATEDS, 0.5, 0.5)
    torch.testing.assert_close(
        advantages, torch.tensor([1.0 - 18.0 / 4, -18.0, -7.0 + 64.0 / 4, 64.0, 105.0])
    )


def test_a_step_both_done_and_truncated_has_no_next_value():
    advantages = gae(REWARDS, VALUES, NEXT_VALUES, DONES, DONES, 0.5, 1.0)
    assert advantages[1] == 2.0 - 20.0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64])
def test_ends_may_be_numbers(dtype):
    dones, truncateds = DONES.to(dtype), TRUNCATEDS.to(dtype)
    for function in (
        lambda d, t: gae(REWARDS, VALUES, NEXT_VALUES, d, t, 0.5, 0.7),
        lambda d, t: reward_to_go(REWARDS, d, t, 0.5, NEXT_VALUES),
        lambda d, t: discounted_return(REWARDS, d, t, 0.5),
    ):
        result = function(dones, truncateds)
        assert result.dtype == torch.float32
        assert torch.equal(result, function(DONES, TRUNCATEDS))


@settings(max_examples=100, deadline=None)
@given(collected_steps(), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_gae_is_a_loop_from_the_end(steps, discount, gae_lambda):
    rewards, values, next_values, dones, truncateds = steps

    def advantage(t, following):
        td_error = rewards[t] - values[t]
        td_error = td_error + torch.where(dones[t], 0.0, discount * next_values[t])
        ended = dones[t] | truncateds[t]
        return td_error + torch.where(ended, 0.0, discount * gae_lambda * following)

    torch.testing.assert_close(
        gae(rewards, values, next_values, dones, truncateds, discount, gae_lambda),
        backwards(advantage, len(rewards), rewards),
    )


@settings(max_examples=50, deadline=None)
@given(collected_steps(), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_gae_equals_stable_baselines3(steps, discount, gae_lambda):
    """There a time limit is a done, after discount V(s') has been added to the reward."""
    rewards, values, next_values, dones, truncateds = (
        array.reshape(len(array), -1).numpy() for array in steps
    )
    num_steps, num_envs = rewards.shape
    space = spaces.Box(-1.0, 1.0, (1,))
    theirs = RolloutBuffer(num_steps, space, space, "cpu", gae_lambda, discount, n_envs=num_envs)
    ended = dones | truncateds
    theirs.rewards = rewards + discount * np.where(truncateds & ~dones, next_values, 0.0)
    theirs.values = values
    theirs.episode_starts = np.concatenate([np.ones((1, num_envs)), ended[:-1]])
    theirs.advantages = np.zeros_like(rewards)  # float64, to compare closely
    theirs.compute_returns_and_advantage(torch.from_numpy(next_values[-1]), ended[-1])

    ours = gae(*steps, discount, gae_lambda).reshape(num_steps, num_envs)
    np.testing.assert_allclose(ours.numpy(), theirs.advantages, rtol=0, atol=1e-6)


# Normalisation


def test_normalized_advantages_by_hand():
    normalized = normalize(torch.tensor([[1.0, 3.0], [5.0, 7.0]], dtype=torch.float64))
    std = math.sqrt((9 + 1 + 1 + 9) / 3)
    expected = torch.tensor([[-3.0, -1.0], [1.0, 3.0]], dtype=torch.float64) / std
    torch.testing.assert_close(normalized, expected)


def test_normalization_survives_a_large_mean():
    normalized = normalize(1e4 + torch.arange(1000.0))
    torch.testing.assert_close(normalized.mean(), torch.tensor(0.0), atol=1e-5, rtol=0)
    torch.testing.assert_close(normalized.std(), torch.tensor(1.0))


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e6 + 0.1, -3.3e7])
@pytest.mark.parametrize("shape", [(1,), (7,), (13, 3)])
@pytest.mark.filterwarnings("error")
def test_equal_advantages_normalize_to_zero(constant, shape):
    assert torch.equal(normalize(torch.full(shape, constant)), torch.zeros(shape))


def test_tiny_advantages_are_not_blown_up():
    """A standard deviation far below the epsilon of 1e-8 does not become 1."""
    normalized = normalize(torch.tensor([-1e-12, 1e-12], dtype=torch.float64))
    torch.testing.assert_close(normalized[1].item(), 1e-4, rtol=1e-3, atol=0)


# Explained variance


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 2.0, 4.0, 6.0], 1.0),
        ([5.0, 7.0, 9.0, 11.0], 1.0),  # an offset is no variance
        ([3.0, 3.0, 3.0, 3.0], 0.0),
        ([0.0, 1.0, 2.0, 3.0], 0.75),
        ([6.0, 4.0, 2.0, 0.0], -3.0),
    ],
)
def test_explained_variance_by_hand(values, expected):
    returns = torch.tensor([0.0, 2.0, 4.0, 6.0])
    torch.testing.assert_close(
        explained_variance(torch.tensor(values), returns), torch.tensor(expected)
    )


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e6 + 0.1])
@pytest.mark.parametrize("length", [1, 7])
@pytest.mark.filterwarnings("error")
def test_explained_variance_of_equal_returns_is_undefined(constant, length):
    assert explained_variance(torch.arange(float(length)), torch.full((length,), constant)).isnan()
