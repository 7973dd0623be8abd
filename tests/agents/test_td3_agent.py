"""TD3 on stubs of one or two layers, against closed forms, autograd and a solved bandit."""

import copy
import logging
import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from hw.agents.td3_agent import TD3

B, K, OBS, ACT = 5, 3, 4, 2


class StubActor(nn.Module):
    """tanh(W s + b)."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(OBS, ACT)

    def forward(self, observations):
        return self.layer(observations).tanh()


class StubCritics(nn.Module):
    """Q_k(s, a) = u_k . s + w_k . a + b_k."""

    def __init__(self, num_critics):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(OBS + ACT, 1) for _ in range(num_critics)])

    def forward(self, observations, actions):
        inputs = torch.cat([observations, actions], dim=-1)
        return torch.stack([layer(inputs).squeeze(-1) for layer in self.layers])


def make_agent(seed=0, num_critics=K, optimizer=torch.optim.SGD, **settings):
    torch.manual_seed(seed)
    defaults = {
        "make_actor": lambda observation_shape, action_dim: StubActor(),
        "make_critic": lambda observation_shape, action_dim, k: StubCritics(k),
        "make_actor_optimizer": partial(optimizer, lr=0.1),
        "make_critic_optimizer": partial(optimizer, lr=0.1),
        "learning_rate_schedule": lambda step: 1.0,
        "discount": 0.9,
        "num_critic_networks": num_critics,
        "soft_target_update_rate": 0.25,
        "actor_update_period": 2,
        "exploration_noise": 0.1,
        "target_noise": 0.2,
        "target_noise_clip": 0.3,
        "clip_grad_norm": None,
    }
    return TD3((OBS,), ACT, **(defaults | settings))


def make_scattered_agent(**settings):
    """Its target networks are not the networks, so that taking one for the other is seen."""
    agent = make_agent(**settings)
    with torch.no_grad():
        for parameter in agent.target_parameters:
            parameter.add_(0.5 * torch.randn_like(parameter))
    return agent


@pytest.fixture
def batch():
    torch.manual_seed(1)
    return {
        "observations": torch.randn(B, OBS),
        "actions": torch.rand(B, ACT) * 2 - 1,
        "rewards": torch.randn(B),
        "next_observations": torch.randn(B, OBS),
        "dones": torch.tensor([False, True, False, False, True]),
    }


def parameters_of(agent):
    return {name: value.clone() for name, value in agent.named_parameters()}


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


def constant_policy_(policy, mean):
    """Make a policy answer tanh(mean) everywhere."""
    nn.init.zeros_(policy.layer.weight)
    policy.layer.bias.data.copy_(torch.tensor(mean))


# --- acting ---------------------------------------------------------------------------------


def test_one_observation_gives_one_action_and_n_give_n():
    agent = make_agent()
    assert agent.get_action(np.zeros(OBS)).shape == (ACT,)
    assert agent.get_action(np.zeros((7, OBS))).shape == (7, ACT)
    assert agent.get_action(np.zeros((1, OBS))).shape == (1, ACT)
    assert agent.get_action(np.zeros(OBS)).dtype == np.float32


def test_the_deterministic_action_is_the_actor_s_without_noise():
    agent = make_agent(exploration_noise=0.5)
    observations = torch.randn(7, OBS)
    expected = (observations @ agent.actor.layer.weight.T + agent.actor.layer.bias).tanh()
    actions = agent.get_action(observations.numpy(), deterministic=True)
    np.testing.assert_allclose(actions, expected.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_exploration_noise_is_gaussian_of_the_given_deviation_and_independent():
    agent = make_agent(exploration_noise=0.1, target_noise=5.0)
    constant_policy_(agent.actor, [0.5, -0.5])
    torch.manual_seed(3)
    noise = agent.get_action(np.zeros((40_000, OBS))) - np.tanh([0.5, -0.5])
    np.testing.assert_allclose(noise.mean(axis=0), 0.0, atol=0.002)
    np.testing.assert_allclose(noise.std(axis=0), 0.1, rtol=0.02)
    assert abs(noise).max() > 0.35  # nothing clips it at a few deviations
    pairs = np.concatenate([noise[::2], noise[1::2]], axis=1)  # two environments, two components
    np.testing.assert_allclose(np.corrcoef(pairs.T), np.eye(4), atol=0.03)
    again = agent.get_action(np.zeros((40_000, OBS))) - np.tanh([0.5, -0.5])
    assert not np.array_equal(noise, again)


def test_exploring_actions_are_clipped_to_the_unit_box():
    agent = make_agent(exploration_noise=1.0)
    constant_policy_(agent.actor, [0.0, 20.0])
    torch.manual_seed(3)
    actions = agent.get_action(np.zeros((10_000, OBS)))
    assert actions.min() == -1.0
    assert actions.max() == 1.0
    beyond = math.erfc(1 / math.sqrt(2)) / 2  # P(noise > 1)
    assert np.mean(actions[:, 0] == 1.0) == pytest.approx(beyond, abs=0.02)
    assert np.mean(actions[:, 0] == -1.0) == pytest.approx(beyond, abs=0.02)
    assert np.mean(actions[:, 1] == 1.0) == pytest.approx(0.5, abs=0.02)


# --- targets --------------------------------------------------------------------------------


def test_smoothed_target_actions_are_clipped_twice():
    agent = make_agent()
    constant_policy_(agent.target_actor, [0.0, 1.5])  # tanh(1.5) = 0.905
    observations = torch.randn(1000, OBS)
    torch.manual_seed(7)
    actions = agent.smoothed_target_actions(observations)
    torch.manual_seed(7)
    noise = (0.2 * torch.randn(1000, ACT)).clamp(-0.3, 0.3)
    plain = torch.tensor([0.0, 1.5]).tanh() + noise
    torch.testing.assert_close(actions, plain.clamp(-1, 1))
    assert (noise.abs() == 0.3).any(dim=0).all()
    assert (plain[:, 1] > 1).any()


def test_the_smoothing_noise_has_its_deviation_and_its_bound():
    agent = make_agent(exploration_noise=5.0)
    constant_policy_(agent.target_actor, [0.0, 0.0])
    torch.manual_seed(3)
    noise = agent.smoothed_target_actions(torch.zeros(40_000, OBS)).flatten()
    assert noise.abs().max().item() == pytest.approx(0.3)
    beyond = math.erfc(1.5 / math.sqrt(2))  # P(|noise| > 1.5 deviations)
    assert (noise.abs() >= 0.3).float().mean().item() == pytest.approx(beyond, abs=0.01)
    inside = math.erf(0.5 / math.sqrt(2))  # P(|noise| < half a deviation)
    assert (noise.abs() < 0.1).float().mean().item() == pytest.approx(inside, abs=0.01)


def test_without_noise_they_are_the_target_policy_s():
    agent = make_scattered_agent(target_noise=0.0)
    observations = torch.randn(B, OBS)
    actions = agent.smoothed_target_actions(observations)
    assert torch.equal(actions, agent.target_actor(observations))
    assert not torch.allclose(actions, agent.actor(observations))


@pytest.mark.parametrize("num_critics", [1, 2, 3])
def test_targets_take_the_smallest_target_critic_at_the_smoothed_action(batch, num_critics):
    agent = make_scattered_agent(num_critics=num_critics)
    torch.manual_seed(7)
    targets = agent.bellman_targets(batch["rewards"], batch["next_observations"], batch["dones"])
    torch.manual_seed(7)
    noise = (0.2 * torch.randn(B, ACT)).clamp(-0.3, 0.3)
    policy = agent.target_actor.layer
    means = (batch["next_observations"] @ policy.weight.T + policy.bias).tanh()
    inputs = torch.cat([batch["next_observations"], (means + noise).clamp(-1, 1)], dim=1)
    expected = []
    for b in range(B):
        values = [
            (layer.weight[0] @ inputs[b] + layer.bias[0]).item()
            for layer in agent.target_critics.layers
        ]
        bootstrap = 0.0 if batch["dones"][b] else 0.9 * min(values)
        expected.append(batch["rewards"][b].item() + bootstrap)
    assert targets.shape == (num_critics, B)
    assert not targets.requires_grad
    torch.testing.assert_close(targets, torch.tensor(expected).expand(num_critics, B))


def test_the_smallest_critic_is_another_one_in_each_row():
    """Three constant critics whose order changes with the state."""
    agent = make_agent(target_noise=0.0)
    for k, layer in enumerate(agent.target_critics.layers):
        nn.init.zeros_(layer.weight)
        nn.init.constant_(layer.bias, 10.0)
        layer.weight.data[0, k] = -k - 1.0
    targets = agent.bellman_targets(
        torch.tensor([1.0, 2.0, 3.0]), torch.eye(OBS)[:3], torch.tensor([0.0, 1.0, 0.0])
    )
    expected = torch.tensor([1.0 + 0.9 * 9.0, 2.0, 3.0 + 0.9 * 7.0])
    torch.testing.assert_close(targets, expected.expand(K, 3))


def test_the_online_networks_do_not_matter_to_targets(batch):
    agent = make_scattered_agent()
    arguments = batch["rewards"], batch["next_observations"], batch["dones"]
    torch.manual_seed(7)
    before = agent.bellman_targets(*arguments)
    for parameter in agent.parameters_followed:
        nn.init.constant_(parameter, -3.0)
    torch.manual_seed(7)
    assert torch.equal(agent.bellman_targets(*arguments), before)


# --- critics --------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [None, torch.tensor([1.0, 0.0, 2.0, 0.5, 0.0])])
def test_critic_loss_is_the_squared_error_summed_over_critics(batch, weights):
    agent = make_agent()
    targets = torch.randn(K, B)
    q_values = agent.critics(batch["observations"], batch["actions"])
    scales = torch.ones(B) if weights is None else weights
    expected = sum(
        scales[b] * (q_values[k, b] - targets[k, b]) ** 2 / B for k in range(K) for b in range(B)
    )
    loss, metrics = agent.critic_loss(batch["observations"], batch["actions"], targets, weights)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(metrics["critic/loss"], expected)
    torch.testing.assert_close(metrics["td_errors"], (q_values - targets).abs().mean(0))
    torch.testing.assert_close(metrics["critic/q_values"], q_values.mean())
    torch.testing.assert_close(metrics["critic/target_values"], targets.mean())


def test_critic_loss_refuses_targets_of_another_shape(batch):
    with pytest.raises(AssertionError):
        make_agent().critic_loss(batch["observations"], batch["actions"], torch.zeros(B))


def test_gradient_of_the_critic_loss_reaches_the_critics_only(batch):
    agent = make_agent()
    targets = agent.bellman_targets(batch["rewards"], batch["next_observations"], batch["dones"])
    agent.critic_loss(batch["observations"], batch["actions"], targets)[0].backward()
    reached = {n.split(".")[0] for n, p in agent.named_parameters() if p.grad is not None}
    assert reached == {"critics"}


def test_update_critic_steps_down_the_gradient_towards_the_bellman_targets(batch):
    agent = make_scattered_agent()
    before, weights = parameters_of(agent), torch.rand(B)
    torch.manual_seed(7)
    targets = agent.bellman_targets(batch["rewards"], batch["next_observations"], batch["dones"])
    loss, _ = agent.critic_loss(batch["observations"], batch["actions"], targets, weights)
    gradients = torch.autograd.grad(loss, agent.critic_parameters)
    torch.manual_seed(7)
    metrics = agent.update_critic(**batch, weights=weights)
    assert changed(agent, before) == {"critics"}
    torch.testing.assert_close(metrics["critic/loss"], loss.detach())
    for (name, value), gradient in zip(agent.critics.named_parameters(), gradients, strict=True):
        torch.testing.assert_close(value.detach(), before[f"critics.{name}"] - 0.1 * gradient)


# --- actor ----------------------------------------------------------------------------------


def test_the_actor_climbs_the_first_critic_and_no_other(batch):
    """dL/dmu = -w_1 / B for a critic that is linear in the action; tanh' = 1 - a^2."""
    agent = make_scattered_agent()
    loss, metrics = agent.actor_loss(batch["observations"])
    gradients = torch.autograd.grad(loss, agent.actor_parameters)
    actions = agent.actor(batch["observations"]).detach()
    first = agent.critics.layers[0]
    inputs = torch.cat([batch["observations"], actions], dim=1)
    expected = -(inputs @ first.weight[0] + first.bias[0]).mean()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(metrics["actor/loss"], expected)
    slopes = -first.weight[0, OBS:] / B * (1 - actions**2)
    torch.testing.assert_close(gradients[0], slopes.detach().T @ batch["observations"])
    torch.testing.assert_close(gradients[1], slopes.detach().sum(0))
    for layer in agent.critics.layers[1:]:
        nn.init.constant_(layer.weight, -5.0)
    torch.testing.assert_close(agent.actor_loss(batch["observations"])[0], expected)


def test_saturation_is_the_share_of_actions_at_the_border():
    agent = make_agent()
    nn.init.zeros_(agent.actor.layer.weight)
    agent.actor.layer.weight.data[0, 0] = 1.0
    observations = torch.tensor([[5.0], [-5.0], [2.0], [0.0]]) * torch.eye(OBS)[0]
    _, metrics = agent.actor_loss(observations)  # tanh 5 = 0.9999, tanh 2 = 0.964
    assert metrics["actor/saturation"].item() == 2 / (4 * ACT)


def test_each_update_moves_its_own_parameters_and_no_others(batch):
    agent = make_scattered_agent()
    moves = [
        (lambda: agent.update_critic(**batch), {"critics"}),
        (lambda: agent.update_actor(batch["observations"]), {"actor"}),
        (agent.soft_update_targets, {"target_actor", "target_critics"}),
    ]
    for move, parts in moves:
        before = parameters_of(agent)
        move()
        assert changed(agent, before) == parts


def test_the_actor_s_step_leaves_no_gradient_in_the_critics(batch):
    agent = make_agent()
    agent.update_actor(batch["observations"])
    assert all(p.grad is None for p in agent.critics.parameters())


def test_the_actor_s_step_goes_down_its_gradient(batch):
    agent = make_agent()
    before = parameters_of(agent)
    gradients = torch.autograd.grad(
        agent.actor_loss(batch["observations"])[0], agent.actor_parameters
    )
    agent.update_actor(batch["observations"])
    for (name, value), gradient in zip(agent.actor.named_parameters(), gradients, strict=True):
        torch.testing.assert_close(value.detach(), before[f"actor.{name}"] - 0.1 * gradient)


def test_swapped_optimizers_would_be_seen(batch):
    agent = make_agent(optimizer=torch.optim.Adam)
    agent.actor_optimizer, agent.critic_optimizer = agent.critic_optimizer, agent.actor_optimizer
    before = parameters_of(agent)
    agent.update_critic(**batch)
    assert changed(agent, before) == set()


# --- delayed updates ------------------------------------------------------------------------

EVERYTHING = {"critics", "actor", "target_actor", "target_critics"}


@pytest.mark.parametrize("period", [1, 2, 3])
def test_actor_and_targets_move_together_once_a_period_of_updates(batch, period):
    agent = make_scattered_agent(actor_update_period=period)
    for update in range(1, 8):
        before = parameters_of(agent)
        metrics = agent.update(**batch, step=100 * update + 7)  # updates count, not steps
        is_due = update % period == 0
        assert changed(agent, before) == (EVERYTHING if is_due else {"critics"})
        assert ("actor/loss" in metrics) is is_due


def test_the_delayed_part_comes_after_the_critics_step_and_ends_with_the_targets(batch):
    agent = make_agent(actor_update_period=1)
    calls = []
    for name in ("update_critic", "update_actor", "soft_update_targets"):
        original = getattr(agent, name)

        def record(*args, name=name, original=original):
            calls.append(name)
            return original(*args)

        object.__setattr__(agent, name, record)
    agent.update(**batch, step=1)
    assert calls == ["update_critic", "update_actor", "soft_update_targets"]


def test_metrics_of_an_update(batch):
    agent = make_agent(actor_update_period=1, clip_grad_norm=10.0)
    metrics = agent.update(**batch, step=4, weights=torch.rand(B))
    assert set(metrics) == {
        "critic/loss",
        "critic/q_values",
        "critic/target_values",
        "critic/gradient_norm",
        "td_errors",
        "actor/loss",
        "actor/saturation",
        "actor/gradient_norm",
    }
    for name, value in metrics.items():
        assert not value.requires_grad, name
        assert value.isfinite().all(), name
        assert value.shape == ((B,) if name == "td_errors" else ()), name


def test_update_hands_the_weights_on(batch):
    agent = make_agent()
    before = parameters_of(agent)
    agent.update(**batch, step=1, weights=torch.zeros(B))
    assert changed(agent, before) == set()


def test_target_networks_start_as_copies_and_carry_no_gradient():
    agent = make_agent()
    for target, source in zip(agent.target_parameters, agent.parameters_followed, strict=True):
        torch.testing.assert_close(target, source.detach())
        assert not target.requires_grad
        assert target.data_ptr() != source.data_ptr()


def test_both_target_networks_move_a_quarter_of_the_way():
    agent = make_scattered_agent()
    for network, target_network in (
        (agent.actor, agent.target_actor),
        (agent.critics, agent.target_critics),
    ):
        old = [p.clone() for p in target_network.parameters()]
        sources = [p.detach().clone() for p in network.parameters()]
        agent.soft_update_targets()
        for target, value, source in zip(target_network.parameters(), old, sources, strict=True):
            torch.testing.assert_close(target, 0.75 * value + 0.25 * source)
        for value, target in zip(old, target_network.parameters(), strict=True):
            target.data.copy_(value)


# --- settings -------------------------------------------------------------------------------


def test_learning_rates_follow_their_schedule(batch):
    agent = make_agent(learning_rate_schedule=lambda step: 1.0 - step / 10, actor_update_period=1)
    for _ in range(2):
        agent.update(**batch, step=5)
        for optimizer in (agent.actor_optimizer, agent.critic_optimizer):
            assert optimizer.param_groups[0]["lr"] == pytest.approx(0.05)
    before = parameters_of(agent)
    agent.update(**batch, step=10)
    assert changed(agent, before) == {"target_actor", "target_critics"}


def test_gradients_are_clipped_to_the_norm_and_reported_as_they_were(batch):
    norms = {}
    for clip_grad_norm in (1e6, 0.01):
        agent = make_agent(clip_grad_norm=clip_grad_norm, actor_update_period=1)
        torch.manual_seed(7)
        metrics = agent.update(**batch, step=1)
        for name, parameters in (
            ("actor", agent.actor_parameters),
            ("critic", agent.critic_parameters),
        ):
            norm = torch.cat([p.grad.flatten() for p in parameters]).norm().item()
            norms[name, clip_grad_norm] = norm
            assert agent.gradient_norms()[f"{name}/gradient_norm"].item() == pytest.approx(norm)
            if clip_grad_norm == 0.01:
                assert norm == pytest.approx(0.01, rel=1e-3)
                assert metrics[f"{name}/gradient_norm"].item() > 0.02
            else:
                assert metrics[f"{name}/gradient_norm"].item() == pytest.approx(norm)
    agent = make_agent(actor_update_period=1)
    assert not [name for name in agent.update(**batch, step=1) if name.endswith("gradient_norm")]


def test_a_restored_agent_goes_on_to_the_same_bits(batch, tmp_path):
    """Optimizers and the count of updates included: after 4 of a period of 3, 2 are missing."""

    def make(seed):
        return make_agent(seed, optimizer=torch.optim.Adam, actor_update_period=3)

    first = make(0)
    for step in range(4):
        first.update(**batch, step=step)
    second, third = make(9), make(8)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    first.save(tmp_path / "agent.npz")
    third.load(tmp_path / "agent.npz")
    for update in range(5, 10):
        for agent in (first, second, third):
            before = parameters_of(agent)
            torch.manual_seed(update)
            agent.update(**batch, step=update)
            assert changed(agent, before) == (EVERYTHING if update % 3 == 0 else {"critics"})
    assert_same_parameters(first, second)
    assert_same_parameters(first, third)


def test_weights_leave_the_optimizers_alone(batch):
    first, second = (make_agent(seed, optimizer=torch.optim.Adam) for seed in (0, 9))
    first.update(**batch, step=1)
    second.load_weights(first.weights())
    assert second.critic_optimizer.state_dict()["state"] == {}
    assert_same_parameters(first, second)


def test_compiled_updates_follow_eager_ones_with_the_same_noise(
    batch, compiled, fused_adam, caplog
):
    agents = [
        make_agent(
            optimizer=fused_adam,
            clip_grad_norm=0.5,
            learning_rate_schedule=lambda step: 1 / step,
        )
        for _ in range(2)
    ]
    agents[1].compiler.is_enabled = True
    with caplog.at_level(logging.WARNING):
        for step in range(1, 7):
            metrics = []
            for agent in agents:
                torch.manual_seed(step)
                metrics.append(agent.update(**batch, step=step, weights=torch.rand(B)))
            torch.testing.assert_close(*metrics, rtol=1e-5, atol=1e-5)
    assert not [r for r in caplog.records if r.name.startswith("hw")], "it was not compiled"
    assert len(compiled) == 2  # one for each of the two updates
    for name, value in agents[1].named_parameters():
        torch.testing.assert_close(agents[0].get_parameter(name), value, rtol=1e-5, atol=1e-5)


# --- learning -------------------------------------------------------------------------------


class SmallCritics(nn.Module):
    def __init__(self, num_critics):
        super().__init__()
        self.networks = nn.ModuleList(
            nn.Sequential(nn.Linear(OBS + ACT, 32), nn.Tanh(), nn.Linear(32, 1))
            for _ in range(num_critics)
        )

    def forward(self, observations, actions):
        inputs = torch.cat([observations, actions], dim=-1)
        return torch.stack([network(inputs).squeeze(-1) for network in self.networks])


def test_it_finds_the_best_action_of_each_state_of_a_bandit():
    """Reward -|a - a*(s)|^2 in two states, with a*(s) = (0.6, -0.3) and (-0.6, 0.3)."""
    agent = make_agent(
        num_critics=2,
        make_critic=lambda observation_shape, action_dim, k: SmallCritics(k),
        make_actor_optimizer=partial(torch.optim.Adam, lr=0.02),
        make_critic_optimizer=partial(torch.optim.Adam, lr=0.02),
    )
    best = torch.tensor([[0.6, -0.3], [-0.6, 0.3]])
    for step in range(400):
        states = torch.arange(64) % 2
        actions = torch.rand(64, ACT) * 2 - 1
        rewards = -(actions - best[states]).square().sum(dim=1)
        observations = torch.eye(OBS)[states]
        agent.update(observations, actions, rewards, observations, torch.ones(64), step=step)
    actions = agent.get_action(np.eye(OBS, dtype=np.float32)[:2], deterministic=True)
    np.testing.assert_allclose(actions, best, atol=0.15)
