"""PPO on tables and stubs of two layers, against closed forms, and against Stable-Baselines3.

A table is a linear map without bias of one-hot observations: V(s) is then one weight.
"""

import copy
import logging
import math
from functools import partial

import numpy as np
import pytest
import stable_baselines3 as sb3
import torch
import torch.nn.functional as F
from torch import nn
from torch.distributions import Categorical, Independent, Normal

from hw.agents.ppo_agent import PPO, summarise
from hw.infrastructure.distributions import make_multi_normal

B, T, N, OBS, ACT = 12, 4, 6, 4, 3


class StubHead(nn.Module):
    """Features to pi(. | s): logits, or means with one deviation for each action component."""

    def __init__(self, feature_size, discrete):
        super().__init__()
        self.output = nn.Linear(feature_size, ACT)
        self.log_std = None if discrete else nn.Parameter(torch.tensor([-0.5, 0.2, 0.0]))

    def forward(self, features):
        if self.log_std is None:
            return Categorical(logits=self.output(features), validate_args=False)
        return make_multi_normal(self.output(features), self.log_std.exp())


class StubActorCritic(nn.Module):
    """Policy and value function of two layers each, of which the first may be shared."""

    def __init__(self, discrete, shared):
        super().__init__()
        self.actor_trunk = nn.Linear(OBS, 8)
        self.critic_trunk = self.actor_trunk if shared else nn.Linear(OBS, 8)
        self.policy_head = StubHead(8, discrete)
        self.value_head = nn.Linear(8, 1)

    def policy(self, observations):
        return self.policy_head(self.actor_trunk(observations).tanh())

    def value(self, observations):
        return self.value_head(self.critic_trunk(observations).tanh()).squeeze(-1)

    def forward(self, observations):
        return self.policy(observations), self.value(observations)


class Table(nn.Module):
    def __init__(self, logits, values):
        super().__init__()
        self.logits = nn.Parameter(torch.as_tensor(logits))
        self.values = nn.Parameter(torch.as_tensor(values))

    def policy(self, observations):
        return Categorical(logits=observations @ self.logits, validate_args=False)

    def value(self, observations):
        return observations @ self.values

    def forward(self, observations):
        return self.policy(observations), self.value(observations)


def make_agent(seed=0, discrete=True, shared=False, optimizer=torch.optim.SGD, lr=0.1, **settings):
    torch.manual_seed(seed)
    defaults = {
        "make_actor_critic": lambda observation_shape, size: StubActorCritic(discrete, shared),
        "make_optimizer": partial(optimizer, lr=lr),
        "learning_rate_schedule": lambda step: 1.0,
        "clip_ratio_schedule": lambda step: 0.2,
        "discount": 0.9,
        "gae_lambda": 0.8,
        "num_epochs": 3,
        "batch_size": B,
        "normalize_advantages": True,
        "value_clip_range": None,
        "value_coefficient": 0.5,
        "entropy_coefficient": 0.01,
        "target_kl": None,
        "clip_grad_norm": None,
        "advantage_histogram_period": 10**9,
    }
    return PPO((OBS,), ACT, **(defaults | settings))


def make_rollout(discrete=True, num_steps=T, num_envs=N, seed=1):
    torch.manual_seed(seed)
    shape = num_steps, num_envs
    return {
        "observations": torch.randn(*shape, OBS),
        "next_observations": torch.randn(*shape, OBS),
        "actions": torch.randint(ACT, shape) if discrete else torch.randn(*shape, ACT),
        "rewards": torch.randn(shape),
        "dones": torch.rand(shape) < 0.2,
        "truncateds": torch.rand(shape) < 0.2,
    }


def make_minibatch(discrete, size=B):
    """Observations, actions, old log-probabilities, old values, advantages, returns, clip ratio."""
    torch.manual_seed(2)
    return (
        torch.randn(size, OBS),
        torch.randint(ACT, (size,)) if discrete else 0.5 * torch.randn(size, ACT),
        (-1.2 if discrete else -3.5) + 0.5 * torch.randn(size),
        torch.randn(size),
        2 * torch.randn(size) + 1,
        3 * torch.randn(size),
        torch.tensor(0.2),
    )


def log_probs_and_entropies(module, observations, actions, discrete):
    """Of the stub's policy, from the formulas."""
    outputs = module.policy_head.output(module.actor_trunk(observations).tanh())
    if discrete:
        log_probs = outputs - outputs.exp().sum(dim=1, keepdim=True).log()
        entropies = -(log_probs.exp() * log_probs).sum(dim=1)
        return log_probs[torch.arange(len(actions)), actions], entropies
    log_std = module.policy_head.log_std
    scores = (actions - outputs) / log_std.exp()
    log_probs = (-(scores**2) / 2 - log_std - math.log(2 * math.pi) / 2).sum(dim=1)
    entropy = (log_std + math.log(2 * math.pi * math.e) / 2).sum()
    return log_probs, entropy.expand(len(observations))


def record_calls(agent, name):
    """Arguments and results of the calls of a method from now on."""
    calls, original = [], getattr(agent, name)

    def record(*args):
        result = original(*args)
        calls.append((args, result))
        return result

    object.__setattr__(agent, name, record)
    return calls


def parameters_of(agent):
    return {name: value.detach().clone() for name, value in agent.named_parameters()}


def changed(agent, before):
    """Names of the parameters that moved, without `actor_critic`, `weight` and `bias`."""
    return {
        name.split(".")[1]
        for name, value in agent.named_parameters()
        if not torch.equal(value, before[name])
    }


def assert_same_parameters(ours, theirs):
    for (name, value), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert torch.equal(value, other), name


DISCRETE = pytest.mark.parametrize("discrete", [True, False], ids=["discrete", "continuous"])
SHARED = pytest.mark.parametrize("shared", [True, False], ids=["shared", "separate"])


# --- acting ---------------------------------------------------------------------------------


@DISCRETE
@SHARED
def test_one_observation_gives_one_action_and_n_give_n(discrete, shared):
    agent = make_agent(discrete=discrete, shared=shared)
    shape = () if discrete else (ACT,)
    assert agent.get_action(np.zeros(OBS)).shape == shape
    assert agent.get_action(np.zeros((7, OBS))).shape == (7, *shape)
    assert agent.get_action(np.zeros((1, OBS))).shape == (1, *shape)
    assert agent.get_action(np.zeros(OBS)).dtype == (np.int64 if discrete else np.float32)


def test_discrete_actions_have_the_policy_s_probabilities_and_its_mode():
    logits = torch.tensor([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]]).log()
    agent = make_agent(make_actor_critic=lambda *_: Table(logits, torch.zeros(2)))
    observations = np.eye(2, dtype=np.float32).repeat(30_000, axis=0)
    actions = agent.get_action(observations).reshape(2, -1)
    for state in range(2):
        shares = np.bincount(actions[state], minlength=3) / 30_000
        np.testing.assert_allclose(shares, logits[state].exp(), atol=0.015)
    best = agent.get_action(np.eye(2, dtype=np.float32), deterministic=True)
    assert best.tolist() == [1, 0]


def test_continuous_actions_have_the_policy_s_spread_and_its_mean():
    agent = make_agent(discrete=False)
    observation = np.ones(OBS, np.float32)
    mean = agent.actor_critic.policy(torch.ones(OBS)).mean.detach().numpy()
    actions = agent.get_action(np.ones((30_000, OBS)))
    np.testing.assert_allclose(actions.mean(axis=0), mean, atol=0.03)
    np.testing.assert_allclose(actions.std(axis=0), np.exp([-0.5, 0.2, 0.0]), rtol=0.03)
    np.testing.assert_allclose(agent.get_action(observation, deterministic=True), mean, rtol=1e-5)


# --- what is computed once a rollout --------------------------------------------------------


def test_advantages_and_returns_by_hand_through_a_time_limit_and_an_end():
    """Both factors are 1/2, so that A_t = delta_t + A_{t+1} / 4 while the episode goes on.

    Lane 0 is cut off by a time limit after its second step, in state 6, and goes on in state 2.
    Lane 1 terminates with its third step. Both are under way when the rollout ends.
    """
    values = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, -4.0])
    logits = torch.linspace(-1, 1, 8 * ACT).reshape(8, ACT)
    agent = make_agent(
        make_actor_critic=lambda *_: Table(logits, values), discount=0.5, gae_lambda=0.5
    )
    states = torch.tensor([[0, 4], [1, 5], [2, 0], [3, 1]])
    next_states = torch.tensor([[1, 5], [6, 0], [3, 7], [7, 2]])
    actions = torch.tensor([[0, 1], [2, 0], [1, 1], [0, 2]])
    rollout = {
        "observations": torch.eye(8)[states],
        "next_observations": torch.eye(8)[next_states],
        "actions": actions,
        "rewards": torch.tensor([[1.0, 0.0], [2.0, 1.0], [3.0, 2.0], [4.0, -1.0]]),
        "dones": torch.tensor([[False, False], [False, False], [False, True], [False, False]]),
        "truncateds": torch.tensor([[False, False], [True, False], [False, False], [False, False]]),
    }
    experience = agent.evaluate_rollout(rollout)
    observations, flat_actions, log_probs, old_values, advantages, returns = experience

    expected = torch.tensor(
        [
            # 1 + 2/2 - 1 + 4/4    0 + 6/2 - 5 - 4.25/4
            [2.0, -3.0625],
            # 2 + 8/2 - 2          1 + 1/2 - 6 + 1/4
            [4.0, -4.25],
            # 3 + 4/2 - 3 - 2/4    2 - 1
            [1.5, 1.0],
            # 4 - 4/2 - 4          -1 + 3/2 - 2
            [-2.0, -1.5],
        ]
    ).flatten()
    assert torch.equal(advantages, expected)
    assert old_values.tolist() == [1.0, 5.0, 2.0, 6.0, 3.0, 1.0, 4.0, 2.0]
    assert torch.equal(returns, expected + old_values)
    assert torch.equal(observations, torch.eye(8)[states.flatten()])
    assert torch.equal(flat_actions, actions.flatten())
    of_state = logits[states.flatten()].log_softmax(dim=1)
    torch.testing.assert_close(log_probs, of_state[torch.arange(8), actions.flatten()])
    assert not any(tensor.requires_grad for tensor in experience)


@DISCRETE
@SHARED
def test_a_rollout_becomes_rows_that_belong_together(discrete, shared):
    agent, rollout = make_agent(discrete=discrete, shared=shared), make_rollout(discrete)
    experience = agent.evaluate_rollout(rollout)
    observations, actions, log_probs, values, advantages, returns = experience
    assert [len(tensor) for tensor in experience] == [T * N] * 6
    assert log_probs.shape == values.shape == advantages.shape == returns.shape == (T * N,)
    for t in range(T):
        for n in range(N):
            row = t * N + n
            observation, action = rollout["observations"][t, n], rollout["actions"][t, n]
            assert torch.equal(observations[row], observation)
            assert torch.equal(actions[row], action)
            expected, _ = log_probs_and_entropies(
                agent.actor_critic, observation[None], action[None], discrete
            )
            torch.testing.assert_close(log_probs[row], expected[0].detach())
            torch.testing.assert_close(values[row], agent.actor_critic.value(observation).detach())


# --- minibatches ----------------------------------------------------------------------------


def test_minibatches_cover_every_row_once_an_epoch_and_rows_stay_together():
    agent = make_agent(num_epochs=3, batch_size=4)
    rows = torch.arange(12.0)
    experience = rows, rows[:, None] * torch.ones(2), 10 * rows
    batches = list(agent.minibatches(experience))
    assert len(batches) == 9
    orders = []
    for first in range(0, 9, 3):
        epoch = batches[first : first + 3]
        assert all(len(batch) == 3 and len(tensor) == 4 for batch in epoch for tensor in batch)
        a, b, c = (torch.cat(tensors) for tensors in zip(*epoch, strict=True))
        assert sorted(a.tolist()) == rows.tolist()
        assert torch.equal(b, a[:, None].expand(12, 2))
        assert torch.equal(c, 10 * a)
        orders.append(a.tolist())
    assert rows.tolist() not in orders  # shuffled, and anew each time
    assert orders[0] != orders[1] != orders[2] != orders[0]


def test_every_minibatch_keeps_what_the_policy_that_acted_said():
    """Old log-probabilities, values and advantages do not follow the policy as it moves."""
    agent, rollout = make_agent(lr=0.5), make_rollout()
    expected = agent.evaluate_rollout(rollout)
    calls = record_calls(agent, "update_actor_critic")
    before = parameters_of(agent)
    metrics = agent.update(rollout, step=0)
    assert len(calls) == 3 * T * N / B
    assert metrics["train/num_minibatches"] == len(calls)
    assert changed(agent, before)
    for first in (0, 2, 4):
        minibatches = [args[:6] for args, _ in calls[first : first + 2]]
        epoch = [torch.cat(tensors) for tensors in zip(*minibatches, strict=True)]
        order = epoch[0][:, 0].argsort()
        for seen, original in zip(epoch, expected, strict=True):
            assert torch.equal(seen[order], original[expected[0][:, 0].argsort()])


@DISCRETE
def test_ratios_are_one_at_the_first_minibatch_and_no_longer_at_the_last(discrete):
    agent = make_agent(discrete=discrete, lr=0.2)
    calls = record_calls(agent, "update_actor_critic")
    agent.update(make_rollout(discrete), step=0)
    first, last = calls[0][1], calls[-1][1]
    assert first["actor/ratio_mean"].item() == pytest.approx(1.0, abs=1e-6)
    assert first["actor/ratio_max"].item() == pytest.approx(1.0, abs=1e-6)
    assert first["actor/clip_fraction"].item() == 0.0
    assert first["actor/approximate_kl"].item() == pytest.approx(0.0, abs=1e-6)
    assert first["actor/loss"].item() == pytest.approx(0.0, abs=1e-6)  # normalised advantages
    assert abs(last["actor/ratio_max"].item() - 1) > 0.02
    assert last["actor/approximate_kl"].item() > 1e-3


# --- losses ---------------------------------------------------------------------------------


@pytest.mark.parametrize("normalizes", [True, False])
def test_actor_loss_by_hand(normalizes):
    agent = make_agent(normalize_advantages=normalizes)
    ratios, advantages = [1.5, 0.5, 1.5, 0.5, 1.125], [2.0, 2.0, -2.0, -2.0, 1.0]
    log_ratios = torch.tensor(ratios).log().requires_grad_()
    loss, metrics = agent.actor_loss(log_ratios, torch.tensor(advantages), torch.tensor(0.25))
    if normalizes:
        mean = sum(advantages) / 5
        std = math.sqrt(sum((a - mean) ** 2 for a in advantages) / 4)
        advantages = [(a - mean) / std for a in advantages]
    clipped = [min(max(r, 0.75), 1.25) for r in ratios]
    rows = zip(ratios, clipped, advantages, strict=True)
    expected = -sum(min(r * a, c * a) for r, c, a in rows) / 5
    assert loss.item() == pytest.approx(expected)
    (gradient,) = torch.autograd.grad(loss, [log_ratios])
    # d(r A)/d(log r) = r A, where the minimum is not the clipped one.
    slopes = [
        0.0,
        -0.5 * advantages[1] / 5,
        -1.5 * advantages[2] / 5,
        0.0,
        -1.125 * advantages[4] / 5,
    ]
    torch.testing.assert_close(gradient, torch.tensor(slopes))
    assert metrics["actor/loss"] is loss
    assert metrics["actor/ratio_mean"].item() == pytest.approx(sum(ratios) / 5)
    assert metrics["actor/ratio_max"].item() == pytest.approx(1.5)
    assert metrics["actor/clip_fraction"].item() == pytest.approx(0.8)
    kl = sum(r - 1 - math.log(r) for r in ratios) / 5
    assert metrics["actor/approximate_kl"].item() == pytest.approx(kl, rel=1e-5)


def test_normalisation_makes_scale_and_shift_of_a_minibatch_s_advantages_irrelevant():
    *others, advantages, returns, clip_ratio = make_minibatch(discrete=True)
    for normalizes in (True, False):
        agent = make_agent(normalize_advantages=normalizes)
        plain, moved = (
            agent.ppo_loss(*others, values, returns, clip_ratio)[0]
            for values in (advantages, 7 * advantages - 3)
        )
        assert torch.isclose(plain, moved).item() is normalizes


@pytest.mark.parametrize(
    ("value_clip_range", "errors", "slopes"),
    [
        (None, [4.0, 4.0, 4.0], [-4.0, -4.0, 4.0]),
        # towards the return by more than 0.5: (2.5 - 5)^2; away from it: plain; within the range
        (0.5, [6.25, 4.0, 4.0], [0.0, -4.0, 4.0]),
    ],
)
def test_value_loss_by_hand(value_clip_range, errors, slopes):
    agent = make_agent(value_clip_range=value_clip_range)
    values = torch.tensor([3.0, 1.0, 2.25], requires_grad=True)
    loss = agent.value_loss(values, torch.tensor([2.0, 2.0, 2.0]), torch.tensor([5.0, 3.0, 0.25]))
    assert loss.item() == pytest.approx(sum(errors) / 3)
    (gradient,) = torch.autograd.grad(loss, [values])
    torch.testing.assert_close(gradient, torch.tensor(slopes) / 3)


def sb3_loss(values, log_probs, entropies, minibatch, value_clip_range=None, normalizes=True):
    """The losses of Stable-Baselines3's PPO.train, line by line, c_v = 0.7 and c_e = 0.3.

    But for its value clipping, which leaves out the maximum of OpenAI Baselines: that is theirs.
    """
    _, _, old_log_probs, old_values, advantages, returns, clip_range = minibatch
    if normalizes:
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    ratio = torch.exp(log_probs - old_log_probs)
    policy_loss_1 = advantages * ratio
    policy_loss_2 = advantages * torch.clamp(ratio, 1 - clip_range, 1 + clip_range)
    policy_loss = -torch.min(policy_loss_1, policy_loss_2).mean()
    value_loss = F.mse_loss(returns, values)
    if value_clip_range is not None:
        clipped = old_values + torch.clamp(values - old_values, -value_clip_range, value_clip_range)
        value_loss = torch.max((values - returns) ** 2, (clipped - returns) ** 2).mean()
    entropy_loss = -torch.mean(entropies)
    loss = policy_loss + 0.3 * entropy_loss + 0.7 * value_loss
    return loss, policy_loss, value_loss, entropy_loss


@DISCRETE
@SHARED
@pytest.mark.parametrize(
    ("value_clip_range", "normalizes"), [(None, True), (None, False), (0.3, True)]
)
def test_ppo_loss_and_gradient_are_those_of_stable_baselines3(
    discrete, shared, value_clip_range, normalizes
):
    agent = make_agent(
        discrete=discrete,
        shared=shared,
        value_clip_range=value_clip_range,
        normalize_advantages=normalizes,
        value_coefficient=0.7,
        entropy_coefficient=0.3,
    )
    minibatch = make_minibatch(discrete)
    module = agent.actor_critic
    log_probs, entropies = log_probs_and_entropies(module, *minibatch[:2], discrete)
    ratios = (log_probs - minibatch[2]).exp()
    assert ratios.min() < 0.8
    assert ratios.max() > 1.2
    values = module.value_head(module.critic_trunk(minibatch[0]).tanh())[:, 0]
    expected, policy_loss, value_loss, entropy_loss = sb3_loss(
        values, log_probs, entropies, minibatch, value_clip_range, normalizes
    )
    loss, metrics = agent.ppo_loss(*minibatch)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(metrics["actor/loss"], policy_loss)
    torch.testing.assert_close(metrics["critic/loss"], value_loss)
    torch.testing.assert_close(metrics["actor/entropy"], -entropy_loss)
    torch.testing.assert_close(metrics["actor/ratio_mean"], ratios.mean())
    torch.testing.assert_close(
        torch.autograd.grad(loss, agent.actor_critic_parameters),
        torch.autograd.grad(expected, agent.actor_critic_parameters),
        rtol=1e-5,
        atol=1e-6,
    )


def test_ppo_loss_of_one_row_by_hand():
    """pi = (0.5, 0.3, 0.2), r = 0.5 / 0.25 = 2, clipped to 1.2; V = 3, R = 1; H = 1.0297."""
    logits = torch.tensor([[0.5, 0.3, 0.2]]).log()
    agent = make_agent(
        make_actor_critic=lambda *_: Table(logits, torch.tensor([3.0])),
        normalize_advantages=False,
        value_coefficient=0.25,
        entropy_coefficient=0.1,
    )
    loss, metrics = agent.ppo_loss(
        torch.ones(1, 1),
        torch.tensor([0]),
        torch.tensor([0.25]).log(),
        torch.tensor([7.0]),
        torch.tensor([5.0]),
        torch.tensor([1.0]),
        torch.tensor(0.2),
    )
    entropy = -sum(p * math.log(p) for p in (0.5, 0.3, 0.2))
    assert metrics["actor/loss"].item() == pytest.approx(-1.2 * 5.0)
    assert metrics["critic/loss"].item() == pytest.approx(4.0)
    assert metrics["actor/entropy"].item() == pytest.approx(entropy)
    assert loss.item() == pytest.approx(-6.0 + 0.25 * 4.0 - 0.1 * entropy)


# --- against Stable-Baselines3 itself -------------------------------------------------------


class SB3ActorCritic(nn.Module):
    """A copy of a Stable-Baselines3 policy, which has both parts."""

    def __init__(self, policy):
        super().__init__()
        self.wrapped = copy.deepcopy(policy)

    def policy(self, observations):
        distribution = self.wrapped.get_distribution(observations).distribution
        return Independent(distribution, 1) if isinstance(distribution, Normal) else distribution

    def value(self, observations):
        return self.wrapped.predict_values(observations).squeeze(-1)

    def forward(self, observations):
        return self.policy(observations), self.value(observations)


def make_sb3_pair(env_name, discrete, num_epochs, num_steps=16, num_envs=2):
    """Their PPO and ours, with the same weights and the same rollout, of random numbers."""
    theirs = sb3.PPO(
        "MlpPolicy",
        sb3.common.env_util.make_vec_env(env_name, num_envs),
        learning_rate=0.01,
        n_steps=num_steps,
        batch_size=num_steps * num_envs,
        n_epochs=num_epochs,
        gamma=0.9,
        gae_lambda=0.8,
        ent_coef=0.3,
        vf_coef=0.7,
        max_grad_norm=0.4,
        policy_kwargs={"net_arch": [8]},
        seed=0,
        device="cpu",
    )
    theirs.set_logger(sb3.common.logger.Logger(None, []))
    theirs._current_progress_remaining = 1.0
    ours = make_agent(
        make_actor_critic=lambda *_: SB3ActorCritic(theirs.policy),
        make_optimizer=partial(torch.optim.Adam, lr=0.01, eps=1e-5),
        num_epochs=num_epochs,
        batch_size=num_steps * num_envs,
        value_coefficient=0.7,
        entropy_coefficient=0.3,
        clip_grad_norm=0.4,
    )

    torch.manual_seed(3)
    observations = torch.randn(num_steps, num_envs, *theirs.observation_space.shape)
    dones = torch.rand(num_steps, num_envs) < 0.15
    truncateds = ~dones & (torch.rand(num_steps, num_envs) < 0.2)
    next_observations = observations.roll(-1, dims=0)
    elsewhere = (dones | truncateds)[..., None] | (torch.arange(num_steps) == num_steps - 1)[
        :, None, None
    ]
    next_observations = torch.where(elsewhere, torch.randn_like(observations), next_observations)
    rewards = torch.randn(num_steps, num_envs)
    actions = theirs.policy.get_distribution(observations.flatten(0, 1)).get_actions().detach()
    actions = actions.reshape(num_steps, num_envs, *actions.shape[1:])

    # They add the value past a time limit to the reward, in `collect_rollouts`.
    value = ours.actor_critic.value
    their_rewards = rewards + 0.9 * truncateds * value(next_observations.flatten(0, 1)).reshape(
        num_steps, num_envs
    )
    ended = (dones | truncateds).float()
    buffer = theirs.rollout_buffer
    buffer.reset()
    for t in range(num_steps):
        buffer.add(
            observations[t].numpy(),
            actions[t].numpy(),
            their_rewards[t].detach().numpy(),
            ended[t - 1].numpy() if t > 0 else np.ones(num_envs),
            value(observations[t]).detach(),
            ours.actor_critic.policy(observations[t]).log_prob(actions[t]).detach(),
        )
    buffer.compute_returns_and_advantage(value(next_observations[-1]).detach(), ended[-1].numpy())
    rollout = {
        "observations": observations,
        "next_observations": next_observations,
        "actions": actions,
        "rewards": rewards,
        "dones": dones,
        "truncateds": truncateds,
    }
    return theirs, ours, rollout


SB3_ENVS = pytest.mark.parametrize(
    ("env_name", "discrete"), [("CartPole-v1", True), ("Pendulum-v1", False)]
)


@SB3_ENVS
def test_a_minibatch_s_losses_and_gradients_are_sb3_s(env_name, discrete):
    theirs, ours, rollout = make_sb3_pair(env_name, discrete, num_epochs=1)
    buffer = theirs.rollout_buffer
    observations, actions, log_probs, values, advantages, returns = ours.evaluate_rollout(rollout)
    for our, their in (
        (advantages, buffer.advantages),
        (returns, buffer.returns),
        (values, buffer.values),
        (log_probs, buffer.log_probs),
    ):
        np.testing.assert_allclose(our, their.flatten(), rtol=1e-5, atol=1e-6)

    shift = 0.4 * torch.randn(len(log_probs))  # as if another policy had acted
    buffer.log_probs = buffer.log_probs + shift.reshape(buffer.log_probs.shape).numpy()
    loss, metrics = ours.ppo_loss(
        observations, actions, log_probs + shift, values, advantages, returns, torch.tensor(0.2)
    )
    gradients = torch.autograd.grad(loss, ours.actor_critic_parameters)
    theirs.max_grad_norm = 1e9
    theirs.train()
    logged = theirs.logger.name_to_value
    for our, their in (
        (loss, logged["train/loss"]),
        (metrics["actor/loss"], logged["train/policy_gradient_loss"]),
        (metrics["critic/loss"], logged["train/value_loss"]),
        (-metrics["actor/entropy"], logged["train/entropy_loss"]),
        (metrics["actor/approximate_kl"], logged["train/approx_kl"]),
        (metrics["actor/clip_fraction"], logged["train/clip_fraction"]),
    ):
        assert our.item() == pytest.approx(their, rel=1e-5, abs=1e-6)
    assert 0.2 < logged["train/clip_fraction"] < 0.9
    expected = [parameter.grad for parameter in theirs.policy.parameters()]
    torch.testing.assert_close(list(gradients), expected, rtol=1e-5, atol=1e-6)


@SB3_ENVS
def test_an_update_ends_at_the_weights_of_sb3_s(env_name, discrete):
    """Four epochs of one minibatch each, so that the order of its rows does not matter."""
    theirs, ours, rollout = make_sb3_pair(env_name, discrete, num_epochs=4)
    before = parameters_of(ours)
    calls = record_calls(ours, "update_actor_critic")
    metrics = ours.update(rollout, step=0)
    metrics["actor/approximate_kl"] = calls[-1][1]["actor/approximate_kl"]  # of the last epoch
    theirs.train()
    logged = theirs.logger.name_to_value
    for name, their in (
        ("actor/loss", logged["train/policy_gradient_loss"]),
        ("critic/loss", logged["train/value_loss"]),
        ("actor/approximate_kl", logged["train/approx_kl"]),
        ("actor/clip_fraction", logged["train/clip_fraction"]),
        ("critic/explained_variance", logged["train/explained_variance"]),
    ):
        assert metrics[name].item() == pytest.approx(their, rel=1e-4, abs=1e-5), name
    assert metrics["actor/entropy"].item() == pytest.approx(-logged["train/entropy_loss"], rel=1e-5)
    for (name, our), their in zip(ours.named_parameters(), theirs.policy.parameters(), strict=True):
        torch.testing.assert_close(our, their, rtol=1e-5, atol=2e-6)
        assert (our - before[name]).abs().max() > 0.01


# --- the update -----------------------------------------------------------------------------


@DISCRETE
@SHARED
def test_a_step_goes_down_the_gradient_of_the_loss(discrete, shared):
    agent = make_agent(discrete=discrete, shared=shared)
    minibatch = make_minibatch(discrete)
    before = parameters_of(agent)
    loss, _ = agent.ppo_loss(*minibatch)
    gradients = torch.autograd.grad(loss, agent.actor_critic_parameters)
    metrics = agent.update_actor_critic(*minibatch)
    assert not any(value.requires_grad for value in metrics.values())
    for (name, value), gradient in zip(agent.named_parameters(), gradients, strict=True):
        torch.testing.assert_close(value.detach(), before[name] - 0.1 * gradient)


@pytest.mark.parametrize(
    ("shared", "moves_by_value_loss"),
    [(True, {"actor_trunk", "value_head"}), (False, {"critic_trunk", "value_head"})],
)
def test_the_value_loss_moves_the_policy_s_trunk_only_if_it_is_shared(shared, moves_by_value_loss):
    agent = make_agent(shared=shared, entropy_coefficient=0.0)
    minibatch = list(make_minibatch(discrete=True))
    minibatch[4] = torch.zeros(B)  # advantages, so that only V - R is left
    before = parameters_of(agent)
    agent.update_actor_critic(*minibatch)
    assert changed(agent, before) == moves_by_value_loss


@pytest.mark.parametrize("step", [0, 7])
def test_the_clip_ratio_is_the_schedule_s_at_the_step(step):
    agent = make_agent(clip_ratio_schedule=lambda step: {0: 0.3, 7: 0.0}[step], lr=0.5)
    calls = record_calls(agent, "update_actor_critic")
    metrics = agent.update(make_rollout(), step=step)
    for args, _ in calls:
        assert args[-1].shape == ()
        assert args[-1].item() == pytest.approx(0.3 if step == 0 else 0.0)
    # With a range of nothing every ratio but those of the first minibatch is outside.
    assert (metrics["actor/clip_fraction"] > 0.7) == (step == 7)


def test_advantages_are_normalised_minibatch_by_minibatch_not_over_the_rollout():
    agent, rollout = make_agent(), make_rollout()
    *_, advantages, _ = agent.evaluate_rollout(rollout)
    calls = record_calls(agent, "update_actor_critic")
    losses = record_calls(agent, "actor_loss")
    agent.update(rollout, step=0)
    seen = torch.cat([args[4] for args, _ in calls[:2]])
    torch.testing.assert_close(seen.sort().values, advantages.sort().values)
    # Where all ratios are 1 the loss is minus the mean advantage, which is 0 if it is normalised.
    (log_ratios, _, _), (loss, _) = losses[0]
    torch.testing.assert_close(log_ratios.exp(), torch.ones(B))
    assert abs(loss.item()) < 1e-6
    assert abs(calls[0][0][4].mean().item()) > 1e-3


def test_a_rollout_is_dropped_once_the_policy_has_moved_too_far():
    agent = make_agent(lr=0.3, num_epochs=50, target_kl=0.02)
    calls = record_calls(agent, "update_actor_critic")
    metrics = agent.update(make_rollout(), step=0)
    divergences = [result["actor/approximate_kl"].item() for _, result in calls]
    assert 2 < len(calls) < 100
    assert metrics["train/num_minibatches"] == len(calls)
    assert max(divergences[:-1]) <= 1.5 * 0.02 < divergences[-1]

    endless = make_agent(lr=0.3, num_epochs=50, target_kl=None)
    assert endless.update(make_rollout(), step=0)["train/num_minibatches"] == 100


@pytest.mark.parametrize(("kl", "is_too_far"), [(0.1, False), (0.149, False), (0.151, True)])
def test_too_far_is_one_and_a_half_times_the_target(kl, is_too_far):
    assert make_agent(target_kl=0.1).has_moved_too_far(torch.tensor(kl)) is is_too_far
    assert make_agent(target_kl=None).has_moved_too_far(torch.tensor(kl)) is False


@DISCRETE
@SHARED
def test_metrics_of_an_update(discrete, shared):
    agent = make_agent(
        discrete=discrete, shared=shared, clip_grad_norm=0.5, advantage_histogram_period=1
    )
    metrics = agent.update(make_rollout(discrete), step=4)
    assert set(metrics) == {
        "actor/loss",
        "actor/entropy",
        "actor/ratio_mean",
        "actor/ratio_max",
        "actor/clip_fraction",
        "actor/approximate_kl",
        "actor/advantages",
        "actor_critic/gradient_norm",
        "critic/loss",
        "critic/explained_variance",
        "train/num_minibatches",
    }
    for name, value in metrics.items():
        assert not value.requires_grad, name
        assert value.isfinite().all(), name
        assert value.shape == ((T * N,) if name == "actor/advantages" else ()), name


def test_metrics_are_means_over_minibatches_and_the_largest_ratio():
    steps = [
        {"a": torch.tensor(1.0), "actor/ratio_max": torch.tensor(3.0)},
        {"a": torch.tensor(4.0), "actor/ratio_max": torch.tensor(2.0)},
    ]
    summary = summarise(steps)
    assert {name: value.item() for name, value in summary.items()} == {
        "a": 2.5,
        "actor/ratio_max": 3.0,
    }
    agent = make_agent(lr=0.5)
    calls = record_calls(agent, "update_actor_critic")
    metrics = agent.update(make_rollout(), step=0)
    losses = torch.stack([result["critic/loss"] for _, result in calls])
    torch.testing.assert_close(metrics["critic/loss"], losses.mean())
    assert metrics["actor/ratio_max"] == max(r["actor/ratio_max"].item() for _, r in calls)


def test_explained_variance_is_that_of_the_values_before_the_update():
    agent, rollout = make_agent(lr=0.5), make_rollout()
    _, _, _, values, _, returns = agent.evaluate_rollout(rollout)
    expected = 1 - (returns - values).var() / returns.var()
    metrics = agent.update(rollout, step=0)
    torch.testing.assert_close(metrics["critic/explained_variance"], expected)


def test_a_histogram_of_raw_advantages_comes_every_third_rollout():
    agent, rollout = make_agent(advantage_histogram_period=3), make_rollout()
    came = []
    for update in range(1, 8):
        *_, advantages, _ = agent.evaluate_rollout(rollout)
        metrics = agent.update(rollout, step=1000 * update)
        if "actor/advantages" in metrics:
            came.append(update)
            assert torch.equal(metrics["actor/advantages"], advantages)
    assert came == [3, 6]


# --- settings -------------------------------------------------------------------------------


def test_the_learning_rate_follows_its_schedule():
    agent = make_agent(learning_rate_schedule=lambda step: 1.0 - step / 10)
    for _ in range(2):
        agent.update(make_rollout(), step=5)
        assert agent.optimizer.param_groups[0]["lr"] == pytest.approx(0.05)
    before = parameters_of(agent)
    agent.update(make_rollout(), step=10)
    assert changed(agent, before) == set()


def test_the_gradient_of_all_parameters_together_is_clipped_to_the_norm():
    minibatch, norms = make_minibatch(discrete=True), []
    for clip_grad_norm in (None, 0.01, 1e6):
        agent = make_agent(clip_grad_norm=clip_grad_norm)
        metrics = agent.update_actor_critic(*minibatch)
        assert ("actor_critic/gradient_norm" in metrics) is (clip_grad_norm is not None)
        norms.append(torch.cat([p.grad.flatten() for p in agent.parameters()]).norm().item())
        reported = metrics.get("actor_critic/gradient_norm", torch.tensor(norms[0]))
        assert reported.item() == pytest.approx(norms[0])
        norm = agent.gradient_norms()["actor_critic/gradient_norm"].item()
        assert norm == pytest.approx(norms[-1])
    assert norms[0] > 0.1
    assert norms[1:] == pytest.approx([0.01, norms[0]], rel=1e-3)


def test_a_restored_agent_goes_on_to_the_same_bits(tmp_path):
    """Optimizer and the count of rollouts included: the next histogram comes with the sixth."""

    def make(seed):
        return make_agent(seed, optimizer=torch.optim.Adam, advantage_histogram_period=3)

    first = make(0)
    for step in range(4):
        first.update(make_rollout(), step=step)
    second, third = make(9), make(8)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    first.save(tmp_path / "agent.npz")
    third.load(tmp_path / "agent.npz")
    for update in (5, 6, 7):
        for agent in (first, second, third):
            rollout = make_rollout(seed=update)
            metrics = agent.update(rollout, step=update)
            assert ("actor/advantages" in metrics) is (update == 6)
    assert_same_parameters(first, second)
    assert_same_parameters(first, third)


@DISCRETE
def test_compiled_updates_follow_eager_ones(discrete, compiled, fused_adam, caplog):
    """Also with a clip ratio and a learning rate that change from one rollout to the next."""
    agents = [
        make_agent(
            discrete=discrete,
            optimizer=fused_adam,
            lr=0.1,
            shared=True,
            clip_grad_norm=0.5,
            value_clip_range=0.3,
            learning_rate_schedule=lambda step: 1 / step,
            clip_ratio_schedule=lambda step: 0.1 / step,
            num_epochs=2,
        )
        for _ in range(2)
    ]
    agents[1].compiler.is_enabled = True
    with caplog.at_level(logging.WARNING):
        for step in (1, 2):
            metrics = []
            for agent in agents:
                rollout = make_rollout(discrete, seed=step)
                metrics.append(agent.update(rollout, step=step))
            torch.testing.assert_close(*metrics, rtol=1e-5, atol=1e-5)
            assert metrics[0]["actor/clip_fraction"] > 0.1
    assert not [r for r in caplog.records if r.name.startswith("hw")], "it was not compiled"
    assert len(compiled) == 1  # the loss, once
    for name, value in agents[1].named_parameters():
        torch.testing.assert_close(agents[0].get_parameter(name), value, rtol=1e-5, atol=1e-5)


# --- learning -------------------------------------------------------------------------------


def collect(agent, reward_of):
    """One vector step of 64 environments in states 0 and 1, each of which ends at once."""
    states = torch.arange(64) % 2
    observations = torch.eye(OBS)[states][None]
    actions = torch.as_tensor(agent.get_action(observations[0].numpy()))[None]
    return {
        "observations": observations,
        "next_observations": observations,
        "actions": actions,
        "rewards": reward_of(states, actions[0])[None],
        "dones": torch.ones(1, 64, dtype=torch.bool),
        "truncateds": torch.zeros(1, 64, dtype=torch.bool),
    }


@SHARED
def test_it_finds_the_best_discrete_action_of_each_state_and_its_value(shared):
    agent = make_agent(
        shared=shared, optimizer=torch.optim.Adam, lr=0.03, batch_size=32, entropy_coefficient=0.0
    )
    for step in range(40):
        rollout = collect(agent, lambda states, actions: (actions == 2 - 2 * states).float())
        agent.update(rollout, step=step)
    observations = torch.eye(OBS)[:2]
    distribution, values = agent.actor_critic(observations)
    assert distribution.probs[[0, 1], [2, 0]].min() > 0.95
    torch.testing.assert_close(values, torch.ones(2), atol=0.1, rtol=0)
    assert agent.get_action(observations.numpy(), deterministic=True).tolist() == [2, 0]


def test_it_finds_the_best_continuous_action_of_each_state():
    best = torch.tensor([[1.0, -0.5, 0.0], [-1.0, 0.5, 0.0]])
    agent = make_agent(
        discrete=False, optimizer=torch.optim.Adam, lr=0.003, batch_size=32, entropy_coefficient=0.0
    )
    for step in range(80):
        rollout = collect(
            agent, lambda states, actions: -(actions - best[states]).square().sum(dim=1)
        )
        agent.update(rollout, step=step)
    actions = agent.get_action(np.eye(OBS, dtype=np.float32)[:2], deterministic=True)
    np.testing.assert_allclose(actions, best, atol=0.2)
