"""Policy gradients on tables and stubs of one or two layers, by hand and by finite differences.

A table is a linear map without bias of one-hot observations: V(s) is then one weight.
"""

import copy
import logging
import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Categorical

from hw.agents.pg_agent import PolicyGradient
from hw.infrastructure.distributions import make_multi_normal

B, OBS, ACT = 8, 4, 3


class StubActor(nn.Module):
    """Logits W s + b, or means W s + b with one deviation for each action component."""

    def __init__(self, discrete):
        super().__init__()
        self.output = nn.Linear(OBS, ACT)
        self.log_std = None if discrete else nn.Parameter(torch.tensor([-0.5, 0.2, 0.0]))

    def forward(self, observations):
        if self.log_std is None:
            return Categorical(logits=self.output(observations), validate_args=False)
        return make_multi_normal(self.output(observations), self.log_std.exp())


class StubCritic(nn.Module):
    def __init__(self, observation_shape):
        super().__init__()
        self.hidden = nn.Linear(*observation_shape, 8)
        self.output = nn.Linear(8, 1)

    def forward(self, observations):
        return self.output(self.hidden(observations).tanh()).squeeze(-1)


class ValueTable(nn.Module):
    def __init__(self, values):
        super().__init__()
        self.values = nn.Parameter(torch.tensor(values))

    def forward(self, observations):
        return observations @ self.values


class Bandit(nn.Module):
    """A policy that looks at nothing: its logits are its parameters."""

    def __init__(self, probabilities):
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(probabilities).log())

    def forward(self, observations):
        logits = self.logits.expand(len(observations), len(self.logits))
        return Categorical(logits=logits, validate_args=False)


def make_agent(
    seed=0, discrete=True, baseline=StubCritic, optimizer=torch.optim.SGD, lr=0.1, **settings
):
    torch.manual_seed(seed)
    defaults = {
        "make_actor": lambda observation_shape, action_size: StubActor(discrete),
        "make_critic": baseline,
        "make_actor_optimizer": partial(optimizer, lr=lr),
        "make_critic_optimizer": partial(optimizer, lr=lr),
        "learning_rate_schedule": lambda step: 1.0,
        "discount": 0.9,
        "use_reward_to_go": True,
        "gae_lambda": None,
        "normalize_advantages": False,
        "num_critic_updates": 1,
        "entropy_coefficient": 0.0,
        "clip_grad_norm": None,
        "advantage_histogram_period": 10**9,
    }
    return PolicyGradient((OBS,), ACT, **(defaults | settings))


def make_episodes(discrete=True, seed=1):
    """Three steps to an end, two to a time limit, three to an end."""
    torch.manual_seed(seed)
    return {
        "observations": torch.randn(B, OBS),
        "next_observations": torch.randn(B, OBS),
        "actions": torch.randint(ACT, (B,)) if discrete else torch.randn(B, ACT),
        "rewards": torch.randn(B) + 1,
        "dones": torch.tensor([0, 0, 1, 0, 0, 0, 0, 1], dtype=torch.bool),
        "truncateds": torch.tensor([0, 0, 0, 0, 1, 0, 0, 0], dtype=torch.bool),
    }


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
    """First parts of the names of parameters that moved."""
    return {
        name.split(".")[0]
        for name, value in agent.named_parameters()
        if not torch.equal(value, before[name])
    }


def assert_same_parameters(ours, theirs):
    for (name, value), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert torch.equal(value, other), name


DISCRETE = pytest.mark.parametrize("discrete", [True, False], ids=["discrete", "continuous"])


# --- acting ---------------------------------------------------------------------------------


@DISCRETE
def test_one_observation_gives_one_action_and_n_give_n(discrete):
    agent = make_agent(discrete=discrete)
    shape = () if discrete else (ACT,)
    assert agent.get_action(np.zeros(OBS)).shape == shape
    assert agent.get_action(np.zeros((7, OBS))).shape == (7, *shape)
    assert agent.get_action(np.zeros((1, OBS))).shape == (1, *shape)
    assert agent.get_action(np.zeros(OBS)).dtype == (np.int64 if discrete else np.float32)


def test_discrete_actions_have_the_policy_s_probabilities_and_its_mode():
    agent = make_agent(make_actor=lambda *_: Bandit([0.2, 0.5, 0.3]))
    actions = agent.get_action(np.zeros((30_000, OBS)))
    np.testing.assert_allclose(np.bincount(actions) / 30_000, [0.2, 0.5, 0.3], atol=0.015)
    assert (agent.get_action(np.zeros((9, OBS)), deterministic=True) == 1).all()


def test_continuous_actions_have_the_policy_s_spread_and_its_mean():
    agent = make_agent(discrete=False)
    mean = agent.actor.output(torch.ones(OBS)).detach().numpy()
    actions = agent.get_action(np.ones((30_000, OBS)))
    np.testing.assert_allclose(actions.mean(axis=0), mean, atol=0.03)
    np.testing.assert_allclose(actions.std(axis=0), np.exp([-0.5, 0.2, 0.0]), rtol=0.03)
    best = agent.get_action(np.ones(OBS, np.float32), deterministic=True)
    np.testing.assert_allclose(best, mean, rtol=1e-5)


# --- advantages -----------------------------------------------------------------------------

VALUES = [4.0, 5.0, 1.0, 2.0, 3.0, -8.0, 16.0]  # of states 0 .. 6
EPISODES = {  # 0, 1 and a time limit in state 6; then 2, 3, 4 and a terminal state 5
    "observations": torch.eye(7)[[0, 1, 2, 3, 4]],
    "next_observations": torch.eye(7)[[1, 6, 3, 4, 5]],
    "actions": torch.tensor([1, 0, 0, 1, 2]),
    "rewards": torch.tensor([8.0, 2.0, 1.0, 2.0, 4.0]),
    "dones": torch.tensor([False, False, False, False, True]),
    "truncateds": torch.tensor([False, True, False, False, False]),
}
WHOLE = [9.0, 9.0, 3.0, 3.0, 3.0]  # 8 + 2/2; 1 + 2/2 + 4/4
TO_GO = [9.0, 2.0, 3.0, 4.0, 4.0]  # the second of the second episode: 2 + 4/2
BOOTSTRAPPED = [13.0, 10.0, 3.0, 4.0, 4.0]  # past the time limit: 2 + 16/2, and 8 + 10/2
# TD errors 8 + 5/2 - 4, 2 + 16/2 - 5, 1 + 2/2 - 1, 2 + 3/2 - 2, 4 - 3, each with a quarter of the
# advantage of the next step of its episode.
GAE = [6.5 + 5.0 / 4, 5.0, 1.0 + 1.75 / 4, 1.5 + 1.0 / 4, 1.0]


def minus_values(returns):
    return [r - v for r, v in zip(returns, VALUES, strict=False)]


def plus_values(advantages):
    return [a + v for a, v in zip(advantages, VALUES, strict=False)]


@pytest.mark.parametrize(
    ("settings", "advantages", "returns"),
    [
        ({"use_reward_to_go": False, "make_critic": None}, WHOLE, WHOLE),
        ({"use_reward_to_go": True, "make_critic": None}, TO_GO, TO_GO),
        ({"use_reward_to_go": False}, minus_values(WHOLE), WHOLE),
        ({"use_reward_to_go": True}, minus_values(BOOTSTRAPPED), BOOTSTRAPPED),
        ({"gae_lambda": 0.5}, GAE, plus_values(GAE)),
        ({"gae_lambda": 1.0}, minus_values(BOOTSTRAPPED), BOOTSTRAPPED),
        ({"gae_lambda": 0.0}, [6.5, 5.0, 1.0, 1.5, 1.0], [10.5, 10.0, 2.0, 3.5, 4.0]),
        ({"gae_lambda": 0.5, "use_reward_to_go": False}, GAE, plus_values(GAE)),
    ],
)
def test_advantages_by_hand(settings, advantages, returns):
    agent = make_agent(baseline=lambda shape: ValueTable(VALUES), discount=0.5, **settings)
    ours = agent.estimate_advantages(EPISODES)
    assert not any(tensor.requires_grad for tensor in ours)
    assert ours[0].tolist() == advantages
    assert ours[1].tolist() == returns
    assert ours[2].tolist() == (VALUES[:5] if agent.critic is not None else [0.0] * 5)


def test_generalised_advantages_need_a_baseline():
    with pytest.raises(ValueError, match="baseline"):
        make_agent(gae_lambda=0.5, baseline=None)


# --- the policy's loss ----------------------------------------------------------------------


def test_actor_loss_and_gradient_of_a_categorical_policy_by_hand():
    """d log pi(a) / d logits = onehot(a) - pi."""
    agent = make_agent(entropy_coefficient=0.0)
    episodes, advantages = make_episodes(), torch.randn(B)
    observations, actions = episodes["observations"], episodes["actions"]
    logits = (observations @ agent.actor.output.weight.T + agent.actor.output.bias).detach()
    probabilities = logits.exp() / logits.exp().sum(dim=1, keepdim=True)
    expected = 0.0
    for b in range(B):
        expected -= probabilities[b, actions[b]].log().item() * advantages[b].item() / B
    loss, metrics = agent.actor_loss(observations, actions, advantages)
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert metrics["actor/loss"] is loss
    entropy = -(probabilities * probabilities.log()).sum(dim=1).mean()
    torch.testing.assert_close(metrics["actor/entropy"], entropy)

    scores = torch.eye(ACT)[actions] - probabilities
    slopes = -scores * advantages[:, None] / B
    gradients = torch.autograd.grad(loss, agent.actor_parameters)
    torch.testing.assert_close(gradients[0], slopes.T @ observations)
    torch.testing.assert_close(gradients[1], slopes.sum(dim=0))


def test_actor_loss_and_gradient_of_a_gaussian_policy_by_hand():
    """d log pi / d mean = z / std and d log pi / d log std = z^2 - 1, with z = (a - mean) / std."""
    agent = make_agent(discrete=False, entropy_coefficient=0.0)
    episodes, advantages = make_episodes(discrete=False), torch.randn(B)
    observations, actions = episodes["observations"], episodes["actions"]
    std = agent.actor.log_std.exp().detach()
    means = (observations @ agent.actor.output.weight.T + agent.actor.output.bias).detach()
    z = (actions - means) / std
    log_probs = (-(z**2) / 2 - std.log() - math.log(2 * math.pi) / 2).sum(dim=1)
    loss, _ = agent.actor_loss(observations, actions, advantages)
    torch.testing.assert_close(loss, -(log_probs * advantages).sum() / B)

    gradients = dict(
        zip(
            [name for name, _ in agent.actor.named_parameters()],
            torch.autograd.grad(loss, agent.actor_parameters),
            strict=True,
        )
    )
    slopes = -z / std * advantages[:, None] / B
    torch.testing.assert_close(gradients["output.weight"], slopes.T @ observations)
    torch.testing.assert_close(gradients["output.bias"], slopes.sum(dim=0))
    expected = -((z**2 - 1) * advantages[:, None]).sum(dim=0) / B
    torch.testing.assert_close(gradients["log_std"], expected)


@pytest.mark.parametrize("baseline", [0.0, 2.5])
def test_the_loss_s_gradient_is_minus_that_of_the_expected_reward(baseline):
    """Actions in a batch as often as their probabilities say: its mean is the expectation.

    A constant baseline drops out. Checked by central differences of J = sum_a pi(a) r(a).
    """
    rewards = torch.tensor([1.0, -2.0, 4.0])
    actions = torch.tensor([0, 0, 0, 0, 1, 1, 1, 2])
    agent = make_agent(make_actor=lambda *_: Bandit([4 / 8, 3 / 8, 1 / 8]))
    loss, _ = agent.actor_loss(torch.zeros(8, OBS), actions, rewards[actions] - baseline)
    (gradient,) = torch.autograd.grad(loss, agent.actor_parameters)

    logits = agent.actor.logits.detach().double()
    for action in range(ACT):
        nudge = 1e-5 * torch.eye(ACT, dtype=torch.float64)[action]
        up, down = (
            torch.softmax(moved, dim=0) @ rewards.double()
            for moved in (logits + nudge, logits - nudge)
        )
        assert -gradient[action].item() == pytest.approx(((up - down) / 2e-5).item(), abs=1e-6)


def test_the_entropy_bonus_is_subtracted_from_the_loss():
    """Its gradient in the logits is pi (log pi + H), and a step raises the entropy."""
    observations, actions = torch.zeros(2, OBS), torch.tensor([0, 1])
    agent = make_agent(
        make_actor=lambda *_: Bandit([0.7, 0.2, 0.1]), entropy_coefficient=0.5, baseline=None
    )
    loss, metrics = agent.actor_loss(observations, actions, torch.zeros(2))
    p = torch.tensor([0.7, 0.2, 0.1])
    entropy = -(p * p.log()).sum()
    torch.testing.assert_close(loss, -0.5 * entropy)
    (gradient,) = torch.autograd.grad(loss, agent.actor_parameters)
    torch.testing.assert_close(gradient, 0.5 * p * (p.log() + entropy))
    agent.update_actor(observations, actions, torch.zeros(2))
    assert agent.actor_loss(observations, actions, torch.zeros(2))[1]["actor/entropy"] > entropy
    torch.testing.assert_close(metrics["actor/entropy"], entropy)


def test_losses_refuse_advantages_and_returns_of_another_shape():
    agent, episodes = make_agent(), make_episodes()
    with pytest.raises(AssertionError):
        agent.actor_loss(episodes["observations"], episodes["actions"], torch.zeros(B, 1))
    with pytest.raises(AssertionError):
        agent.critic_loss(episodes["observations"], torch.zeros(B, 1))


# --- the baseline ---------------------------------------------------------------------------


def test_critic_loss_and_gradient_by_hand():
    agent = make_agent(baseline=lambda shape: ValueTable(VALUES))
    loss, metrics = agent.critic_loss(
        torch.eye(7)[[2, 3, 3, 1]], torch.tensor([3.0, 2.0, 0.0, 9.0])
    )
    assert loss.item() == (4.0 + 0.0 + 4.0 + 16.0) / 4
    assert metrics["critic/loss"] is loss
    (gradient,) = torch.autograd.grad(loss, agent.critic_parameters)
    assert gradient.tolist() == [0.0, -2.0, -1.0, 1.0, 0.0, 0.0, 0.0]


@DISCRETE
def test_each_loss_reaches_and_each_update_moves_its_own_network(discrete):
    agent, episodes = make_agent(discrete=discrete), make_episodes(discrete)
    observations, actions = episodes["observations"], episodes["actions"]
    moves = [
        (agent.actor_loss, agent.update_actor, (observations, actions, torch.randn(B)), "actor"),
        (agent.critic_loss, agent.update_critic, (observations, torch.randn(B)), "critic"),
    ]
    for loss_of, update, inputs, part in moves:
        agent.zero_grad()
        loss, _ = loss_of(*inputs)
        loss.backward()
        gradients = {n: p.grad.clone() for n, p in agent.named_parameters() if p.grad is not None}
        assert {name.split(".")[0] for name in gradients} == {part}
        before = parameters_of(agent)
        metrics = update(*inputs)
        assert not any(value.requires_grad for value in metrics.values())
        assert changed(agent, before) == {part}
        for name, gradient in gradients.items():
            value = agent.get_parameter(name).detach()
            torch.testing.assert_close(value, before[name] - 0.1 * gradient)


def test_without_a_baseline_there_is_no_critic_at_all():
    def fail(parameters):
        raise AssertionError("no optimizer is needed")

    agent = make_agent(baseline=None, make_critic_optimizer=fail)
    assert agent.critic is None
    assert set(agent.optimizers()) == {"actor"}
    assert not [name for name in agent.state_dict() if "critic" in name]
    assert "critic" not in agent.state_dict()["_extra_state"]
    metrics = agent.update(make_episodes(), step=1)
    assert set(metrics) == {"actor/loss", "actor/entropy"}
    assert set(make_agent().optimizers()) == {"actor", "critic"}


def test_swapped_optimizers_would_be_seen():
    agent = make_agent(optimizer=torch.optim.Adam)
    agent.actor_optimizer, agent.critic_optimizer = agent.critic_optimizer, agent.actor_optimizer
    before = parameters_of(agent)
    agent.update_critic(torch.randn(B, OBS), torch.randn(B))
    assert changed(agent, before) == set()


# --- the update -----------------------------------------------------------------------------


@DISCRETE
@pytest.mark.parametrize("num_critic_updates", [1, 3])
def test_an_update_steps_the_actor_once_and_the_baseline_so_many_times(
    discrete, num_critic_updates
):
    """The advantages and the baseline's targets are those from before any step."""
    agent = make_agent(discrete=discrete, num_critic_updates=num_critic_updates, gae_lambda=0.7)
    episodes = make_episodes(discrete)
    advantages, returns, values = agent.estimate_advantages(episodes)
    actor_calls = record_calls(agent, "update_actor")
    critic_calls = record_calls(agent, "update_critic")
    metrics = agent.update(episodes, step=1)
    ((arguments, _),) = actor_calls
    for ours, expected in zip(
        arguments, (episodes["observations"], episodes["actions"], advantages), strict=True
    ):
        assert torch.equal(ours, expected)
    assert len(critic_calls) == num_critic_updates
    for (observations, targets), _ in critic_calls:
        assert torch.equal(observations, episodes["observations"])
        assert torch.equal(targets, returns)
    assert metrics["critic/loss"] == critic_calls[-1][1]["critic/loss"]
    expected = 1 - (returns - values).var() / returns.var()
    torch.testing.assert_close(metrics["critic/explained_variance"], expected)


def test_normalisation_is_of_the_advantages_that_the_actor_sees_alone():
    agent = make_agent(normalize_advantages=True, advantage_histogram_period=1)
    episodes = make_episodes()
    advantages, returns, _ = agent.estimate_advantages(episodes)
    actor_calls = record_calls(agent, "update_actor")
    critic_calls = record_calls(agent, "update_critic")
    metrics = agent.update(episodes, step=1)
    (_, _, seen), _ = actor_calls[0]
    torch.testing.assert_close(seen, (advantages - advantages.mean()) / advantages.std())
    assert abs(advantages.mean()) > 0.1
    (_, targets), _ = critic_calls[0]
    assert torch.equal(targets, returns)
    assert torch.equal(metrics["actor/advantages"], advantages)


@DISCRETE
def test_metrics_of_an_update(discrete):
    agent = make_agent(discrete=discrete, clip_grad_norm=0.5, advantage_histogram_period=1)
    metrics = agent.update(make_episodes(discrete), step=4)
    assert set(metrics) == {
        "actor/loss",
        "actor/entropy",
        "actor/advantages",
        "actor/gradient_norm",
        "critic/loss",
        "critic/explained_variance",
        "critic/gradient_norm",
    }
    for name, value in metrics.items():
        assert not value.requires_grad, name
        assert value.isfinite().all(), name
        assert value.shape == ((B,) if name == "actor/advantages" else ()), name


def test_a_histogram_of_advantages_comes_every_third_update():
    agent = make_agent(advantage_histogram_period=3)
    came = [
        update
        for update in range(1, 8)
        if "actor/advantages" in agent.update(make_episodes(), step=1000 * update)
    ]
    assert came == [3, 6]


# --- settings -------------------------------------------------------------------------------


def test_learning_rates_follow_their_schedule():
    agent = make_agent(learning_rate_schedule=lambda step: 1.0 - step / 10)
    for _ in range(2):
        agent.update(make_episodes(), step=5)
        for optimizer in agent.optimizers().values():
            assert optimizer.param_groups[0]["lr"] == pytest.approx(0.05)
    before = parameters_of(agent)
    agent.update(make_episodes(), step=10)
    assert changed(agent, before) == set()


def test_gradients_are_clipped_to_the_norm_and_reported_as_they_were():
    norms = {}
    for clip_grad_norm in (1e6, 0.01):
        agent = make_agent(clip_grad_norm=clip_grad_norm)
        metrics = agent.update(make_episodes(), step=1)
        for name, parameters in (
            ("actor", agent.actor_parameters),
            ("critic", agent.critic_parameters),
        ):
            norm = torch.cat([p.grad.flatten() for p in parameters]).norm().item()
            norms[name, clip_grad_norm] = norm
            assert agent.gradient_norms()[f"{name}/gradient_norm"].item() == pytest.approx(norm)
            reported = metrics[f"{name}/gradient_norm"].item()
            assert reported == pytest.approx(norms[name, 1e6])
    assert norms["actor", 0.01] == pytest.approx(0.01, rel=1e-3)
    assert norms["critic", 0.01] == pytest.approx(0.01, rel=1e-3)
    assert min(norms["actor", 1e6], norms["critic", 1e6]) > 0.02
    metrics = make_agent().update(make_episodes(), step=1)
    assert not [name for name in metrics if name.endswith("gradient_norm")]


@pytest.mark.parametrize("baseline", [StubCritic, None], ids=["baseline", "without"])
def test_a_restored_agent_goes_on_to_the_same_bits(baseline, tmp_path):
    """Optimizers and the count of updates included: the next histogram comes with the sixth."""

    def make(seed):
        return make_agent(
            seed, baseline=baseline, optimizer=torch.optim.Adam, advantage_histogram_period=3
        )

    first = make(0)
    for step in range(4):
        first.update(make_episodes(), step=step)
    second, third = make(9), make(8)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    first.save(tmp_path / "agent.npz")
    third.load(tmp_path / "agent.npz")
    for update in (5, 6, 7):
        for agent in (first, second, third):
            metrics = agent.update(make_episodes(seed=update), step=update)
            assert ("actor/advantages" in metrics) is (update == 6)
    assert_same_parameters(first, second)
    assert_same_parameters(first, third)


def test_weights_leave_the_optimizers_alone():
    first, second = (make_agent(seed, optimizer=torch.optim.Adam) for seed in (0, 9))
    first.update(make_episodes(), step=1)
    second.load_weights(first.weights())
    assert second.actor_optimizer.state_dict()["state"] == {}
    assert_same_parameters(first, second)


def test_compiled_updates_follow_eager_ones(compiled, fused_adam, caplog):
    agents = [
        make_agent(
            optimizer=fused_adam,
            clip_grad_norm=0.5,
            entropy_coefficient=0.1,
            learning_rate_schedule=lambda step: 1 / step,
        )
        for _ in range(2)
    ]
    agents[1].compiler.is_enabled = True
    with caplog.at_level(logging.WARNING):
        for step in range(1, 4):
            metrics = [agent.update(make_episodes(seed=step), step=step) for agent in agents]
            torch.testing.assert_close(*metrics, rtol=1e-5, atol=1e-5)
    assert not [r for r in caplog.records if r.name.startswith("hw")], "it was not compiled"
    assert len(compiled) == 2  # two losses, once
    for name, value in agents[1].named_parameters():
        torch.testing.assert_close(agents[0].get_parameter(name), value, rtol=1e-5, atol=1e-5)


# --- learning -------------------------------------------------------------------------------

ESTIMATORS = pytest.mark.parametrize(
    "settings",
    [
        {"use_reward_to_go": False, "baseline": None},
        {"use_reward_to_go": True, "baseline": None},
        {"use_reward_to_go": True},
        {"gae_lambda": 0.9},
    ],
    ids=["whole", "to-go", "baseline", "gae"],
)


def collect(agent, reward_of, num_episodes=64):
    """Episodes of two steps, in states 0 and 1."""
    states = torch.arange(2).repeat(num_episodes)
    observations = torch.eye(OBS)[states]
    actions = torch.as_tensor(agent.get_action(observations.numpy()))
    return {
        "observations": observations,
        "next_observations": torch.eye(OBS)[states + 1],
        "actions": actions,
        "rewards": reward_of(states, actions),
        "dones": states == 1,
        "truncateds": torch.zeros(2 * num_episodes, dtype=torch.bool),
    }


@ESTIMATORS
def test_it_finds_the_best_discrete_action_of_each_state(settings):
    agent = make_agent(optimizer=torch.optim.Adam, lr=0.05, normalize_advantages=True, **settings)
    for step in range(100):
        episodes = collect(agent, lambda states, actions: (actions == 2 - 2 * states).float())
        agent.update(episodes, step=step)
    probabilities = agent.actor(torch.eye(OBS)[:2]).probs
    assert probabilities[[0, 1], [2, 0]].min() > 0.9
    best = agent.get_action(np.eye(OBS, dtype=np.float32)[:2], deterministic=True)
    assert best.tolist() == [2, 0]
    if agent.critic is not None:  # two rewards to come, then one
        values = agent.critic(torch.eye(OBS)[:2])
        torch.testing.assert_close(values, torch.tensor([1.9, 1.0]), atol=0.2, rtol=0)


def test_it_finds_the_best_continuous_action_of_each_state():
    best = torch.tensor([[1.0, -0.5, 0.0], [-1.0, 0.5, 0.0]])
    agent = make_agent(
        discrete=False, optimizer=torch.optim.Adam, lr=0.03, normalize_advantages=True
    )
    for step in range(200):
        episodes = collect(
            agent, lambda states, actions: -(actions - best[states]).square().sum(dim=1)
        )
        agent.update(episodes, step=step)
    actions = agent.get_action(np.eye(OBS, dtype=np.float32)[:2], deterministic=True)
    np.testing.assert_allclose(actions, best, atol=0.25)
