"""Soft actor-critic on stubs of two layers at most, against closed forms and autograd."""

import copy
import logging
import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from hw.agents.sac_agent import SoftActorCritic
from hw.infrastructure.distributions import make_multi_normal, make_tanh_transformed

B, K, OBS, ACT = 5, 3, 4, 2


class StubActor(nn.Module):
    def __init__(self, make=make_tanh_transformed):
        super().__init__()
        self.mean = nn.Linear(OBS, ACT)
        self.log_std = nn.Parameter(torch.tensor([-0.5, 0.2]))
        self.make = make

    def forward(self, observations):
        return self.make(self.mean(observations), self.log_std.exp())


class StubCritics(nn.Module):
    def __init__(self, num_critics):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(OBS + ACT, 1) for _ in range(num_critics)])

    def forward(self, observations, actions):
        inputs = torch.cat([observations, actions], dim=-1)
        return torch.stack([layer(inputs).squeeze(-1) for layer in self.layers])


def make_agent(seed=0, num_critics=K, actor=StubActor, optimizer=torch.optim.SGD, **settings):
    torch.manual_seed(seed)
    defaults = {
        "make_actor": lambda observation_shape, action_dim: actor(),
        "make_critic": lambda observation_shape, action_dim, k: StubCritics(k),
        "make_actor_optimizer": partial(optimizer, lr=0.1),
        "make_critic_optimizer": partial(optimizer, lr=0.1),
        "make_temperature_optimizer": partial(optimizer, lr=0.1),
        "learning_rate_schedule": lambda step: 1.0,
        "discount": 0.9,
        "num_critic_networks": num_critics,
        "num_critic_updates": 1,
        "target_critic_backup_type": "mean",
        "redq_subset_size": 2,
        "target_update_period": None,
        "soft_target_update_rate": 0.25,
        "actor_gradient_type": "reparametrize",
        "num_actor_samples": 1,
        "use_entropy_bonus": True,
        "backup_entropy": True,
        "temperature": 0.2,
        "learn_temperature": False,
        "target_entropy": -2.0,
        "clip_grad_norm": None,
    }
    return SoftActorCritic((OBS,), ACT, **(defaults | settings))


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


# --- acting ---------------------------------------------------------------------------------


def test_one_observation_gives_one_action_and_n_give_n():
    agent = make_agent()
    assert agent.get_action(np.zeros(OBS)).shape == (ACT,)
    assert agent.get_action(np.zeros((7, OBS))).shape == (7, ACT)
    assert agent.get_action(np.zeros((1, OBS))).shape == (1, ACT)
    assert agent.get_action(np.zeros(OBS)).dtype == np.float32


def test_the_deterministic_action_is_tanh_of_the_mean():
    agent = make_agent()
    observation = np.ones(OBS, np.float32)
    expected = agent.actor.mean(torch.ones(OBS)).tanh().detach().numpy()
    np.testing.assert_allclose(
        agent.get_action(observation, deterministic=True), expected, rtol=1e-6
    )


def test_sampled_actions_have_the_policy_s_spread():
    agent = make_agent(actor=partial(StubActor, make_multi_normal))
    actions = agent.get_action(np.zeros((20_000, OBS)))
    np.testing.assert_allclose(actions.std(axis=0), np.exp([-0.5, 0.2]), rtol=0.03)


# --- critics --------------------------------------------------------------------------------


def expected_targets(agent, batch, backup, with_entropy):
    """r + 0.9 (1 - d) (backup(Q') - 0.2 log pi), in float64, written out over again."""
    torch.manual_seed(7)
    distribution = agent.actor(batch["next_observations"])
    noise = torch.randn(B, ACT)
    pre_tanh = (distribution.loc + distribution.std * noise).double()
    std = distribution.std.double()
    log_probs = (
        -0.5 * noise.double() ** 2
        - std.log()
        - 0.5 * math.log(2 * math.pi)
        - torch.log(1 - pre_tanh.tanh() ** 2)
    ).sum(-1)
    q_values = agent.target_critics(batch["next_observations"], pre_tanh.tanh().float()).double()
    values = backup(q_values) - (0.2 * log_probs if with_entropy else 0.0)
    return batch["rewards"] + 0.9 * (~batch["dones"]) * values


@pytest.mark.parametrize("with_entropy", [True, False])
@pytest.mark.parametrize(
    ("backup_type", "num_critics", "backup"),
    [
        ("mean", 3, lambda q: torch.stack([(q[0] + q[1] + q[2]) / 3] * 3)),
        ("min", 3, lambda q: torch.stack([q.min(dim=0).values] * 3)),
        ("doubleq", 2, lambda q: torch.stack([q[1], q[0]])),
        ("redq", 2, lambda q: torch.stack([torch.minimum(q[0], q[1])] * 2)),
        ("mean", 1, lambda q: q),
    ],
)
def test_bellman_targets(batch, backup_type, num_critics, backup, with_entropy):
    agent = make_agent(
        num_critics=num_critics,
        target_critic_backup_type=backup_type,
        backup_entropy=with_entropy,
    )
    expected = expected_targets(agent, batch, backup, with_entropy)
    torch.manual_seed(7)
    targets = agent.bellman_targets(batch["rewards"], batch["next_observations"], batch["dones"])
    assert targets.shape == (num_critics, B)
    assert not targets.requires_grad
    torch.testing.assert_close(targets, expected.detach().float(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(
        targets[:, batch["dones"]], batch["rewards"][batch["dones"]].expand(num_critics, -1)
    )


def test_without_an_entropy_bonus_targets_have_none_either(batch):
    agent = make_agent(use_entropy_bonus=False)
    expected = expected_targets(agent, batch, lambda q: q.mean(0, keepdim=True), False)
    torch.manual_seed(7)
    targets = agent.bellman_targets(batch["rewards"], batch["next_observations"], batch["dones"])
    torch.testing.assert_close(targets, expected.expand(K, B).detach().float())


def test_targets_come_from_the_target_critics_not_from_the_critics(batch):
    agent = make_agent()
    arguments = batch["rewards"], batch["next_observations"], batch["dones"]
    torch.manual_seed(7)
    before = agent.bellman_targets(*arguments)
    nn.init.constant_(agent.critics.layers[0].bias, 100.0)
    torch.manual_seed(7)
    torch.testing.assert_close(agent.bellman_targets(*arguments), before)


def test_critic_loss_is_the_squared_error_summed_over_critics(batch):
    agent = make_agent()
    targets = torch.randn(K, B)
    q_values = agent.critics(batch["observations"], batch["actions"])
    expected = sum(((q_values[k] - targets[k]) ** 2).sum() / B for k in range(K))
    loss, metrics = agent.critic_loss(batch["observations"], batch["actions"], targets)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(metrics["td_errors"], (q_values - targets).abs().mean(0))
    torch.testing.assert_close(metrics["critic/q_values"], q_values.mean())
    torch.testing.assert_close(metrics["critic/target_values"], targets.mean())


def test_importance_weights_scale_each_sample_s_error(batch):
    agent = make_agent()
    targets, weights = torch.randn(K, B), torch.tensor([1.0, 0.0, 0.0, 0.0, 0.0])
    loss, _ = agent.critic_loss(batch["observations"], batch["actions"], targets, weights)
    q_values = agent.critics(batch["observations"], batch["actions"])
    torch.testing.assert_close(loss, ((q_values - targets)[:, 0] ** 2).sum() / B)


def test_critic_loss_refuses_targets_of_another_shape(batch):
    with pytest.raises(AssertionError):
        make_agent().critic_loss(batch["observations"], batch["actions"], torch.zeros(B, 1))


def test_gradient_of_the_critic_loss_reaches_the_critics_only(batch):
    agent = make_agent()
    targets = agent.bellman_targets(batch["rewards"], batch["next_observations"], batch["dones"])
    agent.critic_loss(batch["observations"], batch["actions"], targets)[0].backward()
    reached = {n.split(".")[0] for n, p in agent.named_parameters() if p.grad is not None}
    assert reached == {"critics"}


# --- actor ----------------------------------------------------------------------------------


def test_the_reparametrized_gradient_is_autograd_s_through_the_action(batch):
    agent = make_agent()
    torch.manual_seed(7)
    ours = torch.autograd.grad(
        agent.actor_loss_reparametrize(batch["observations"])[0], agent.actor_parameters
    )
    torch.manual_seed(7)
    distribution = agent.actor(batch["observations"])
    pre_tanh = distribution.loc + distribution.std * torch.randn(B, ACT)
    log_probs = (
        torch.distributions.Normal(distribution.loc, distribution.std).log_prob(pre_tanh)
        - torch.log(1 - pre_tanh.tanh() ** 2)
    ).sum(-1)
    q_values = agent.critics(batch["observations"], pre_tanh.tanh()).mean(0)
    expected = torch.autograd.grad((0.2 * log_probs - q_values).mean(), agent.actor_parameters)
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)


def test_the_reinforce_gradient_is_the_score_times_the_soft_advantage(batch):
    agent = make_agent(actor_gradient_type="reinforce", num_actor_samples=3)
    torch.manual_seed(7)
    ours = torch.autograd.grad(
        agent.actor_loss_reinforce(batch["observations"])[0], agent.actor_parameters
    )
    torch.manual_seed(7)
    mean, std = agent.actor.mean(batch["observations"]), agent.actor.log_std.exp()
    noise = torch.randn(3, B, ACT)
    pre_tanh = (mean + std * noise).detach()
    with torch.no_grad():
        log_probs = (
            torch.distributions.Normal(mean, std).log_prob(pre_tanh)
            - torch.log(1 - pre_tanh.tanh() ** 2)
        ).sum(-1)
        inputs = batch["observations"].expand(3, B, OBS)
        q_values = torch.stack([agent.critics(inputs[s], pre_tanh[s].tanh()) for s in range(3)])
        values = q_values.mean(dim=1) - 0.2 * log_probs  # (S, B)
        others = torch.stack([values[[1, 2]], values[[0, 2]], values[[0, 1]]]).mean(dim=1)
        values = values - others
        # By hand: d log N / d mean = noise / std, d log N / d log std = noise^2 - 1.
        score_mean = (values[..., None] * noise / std).mean(dim=0) / B
        expected_bias = -score_mean.sum(dim=0)
        expected_weight = -score_mean.T @ batch["observations"]
        expected_log_std = -(values[..., None] * (noise**2 - 1)).mean(dim=(0, 1))
    expected = [expected_log_std, expected_weight, expected_bias]
    torch.testing.assert_close(list(ours), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("num_actor_samples", [1, 2])
def test_both_gradients_agree_in_expectation(num_actor_samples):
    """On many samples of one state, their means differ by no more than sampling error."""
    gradients = {}
    for kind in ("reinforce", "reparametrize"):
        agent = make_agent(actor_gradient_type=kind, num_actor_samples=num_actor_samples)
        torch.manual_seed(11)
        observations = torch.randn(1, OBS).expand(400_000, OBS)
        loss, _ = agent.actor_loss(observations)
        gradient = torch.autograd.grad(loss, agent.actor_parameters)
        gradients[kind] = torch.cat([g.flatten() for g in gradient])
    torch.testing.assert_close(
        gradients["reinforce"], gradients["reparametrize"], rtol=0.05, atol=0.01
    )


@pytest.mark.parametrize("kind", ["reinforce", "reparametrize"])
def test_without_an_entropy_bonus_the_temperature_does_not_matter(batch, kind):
    losses = []
    for temperature in (0.1, 5.0):
        agent = make_agent(
            temperature=temperature, use_entropy_bonus=False, actor_gradient_type=kind
        )
        torch.manual_seed(7)
        losses.append(agent.actor_loss(batch["observations"])[0])
    torch.testing.assert_close(losses[0], losses[1])


def test_clipped_double_q_climbs_the_smallest_critic_others_the_mean(batch):
    arguments = batch["observations"], batch["actions"]
    for kind, reduce in (("min", lambda q: q.min(0).values), ("doubleq", lambda q: q.mean(0))):
        agent = make_agent(target_critic_backup_type=kind)
        expected = reduce(agent.critics(*arguments))
        torch.testing.assert_close(agent.policy_q_values(*arguments), expected)


def test_more_samples_make_reinforce_less_noisy(batch):
    def spread(num_samples):
        agent = make_agent(actor_gradient_type="reinforce", num_actor_samples=num_samples)
        torch.manual_seed(5)
        gradients = [
            torch.autograd.grad(
                agent.actor_loss(batch["observations"])[0], agent.actor.mean.weight
            )[0]
            for _ in range(300)
        ]
        return torch.stack(gradients).var(dim=0).sum()

    assert spread(16) < spread(1) / 8


def test_the_entropy_estimate_of_a_gaussian_approaches_the_closed_form():
    agent = make_agent(actor=partial(StubActor, make_multi_normal))
    torch.manual_seed(0)
    distribution = agent.actor(torch.randn(100_000, OBS))
    _, log_probs = distribution.rsample_with_log_prob()
    exact = (0.5 + 0.5 * math.log(2 * math.pi)) * ACT + agent.actor.log_std.sum()
    torch.testing.assert_close(agent.entropy(log_probs), exact, rtol=0.01, atol=0.01)
    torch.testing.assert_close(distribution.entropy().mean(), exact)


# --- temperature ----------------------------------------------------------------------------


@pytest.mark.parametrize(("entropy", "direction"), [(-5.0, 1), (1.0, -1)])
def test_temperature_rises_below_the_target_entropy_and_falls_above(entropy, direction):
    agent = make_agent(learn_temperature=True, target_entropy=-2.0)
    before = agent.temperature.clone()
    entropy = torch.tensor(entropy, requires_grad=True)
    loss, _ = agent.temperature_loss(entropy)
    torch.testing.assert_close(loss, before * (entropy + 2.0))
    (gradient,) = torch.autograd.grad(loss, [agent.log_temperature])
    torch.testing.assert_close(gradient, (before * (entropy + 2.0)).detach())
    agent.update_temperature(entropy)
    assert (agent.temperature - before).sign().item() == direction
    assert entropy.grad is None


def test_a_fixed_temperature_stays(batch):
    agent = make_agent(learn_temperature=False)
    agent.update(**batch, step=1)
    assert agent.temperature.item() == pytest.approx(0.2)


# --- which loss moves what ------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["reinforce", "reparametrize"])
def test_each_update_moves_its_own_parameters_and_no_others(batch, kind):
    agent = make_agent(actor_gradient_type=kind, learn_temperature=True)
    moves = {
        "critics": lambda: agent.update_critic(**batch),
        "actor": lambda: agent.update_actor(batch["observations"]),
        "log_temperature": lambda: agent.update_temperature(torch.tensor(3.0)),
        "target_critics": agent.soft_update_target_critic,
    }
    for part, move in moves.items():
        before = parameters_of(agent)
        move()
        assert changed(agent, before) == {part}


def test_swapped_optimizers_would_be_seen(batch):
    agent = make_agent(optimizer=torch.optim.Adam)
    agent.actor_optimizer, agent.critic_optimizer = agent.critic_optimizer, agent.actor_optimizer
    before = parameters_of(agent)
    agent.update_critic(**batch)
    assert changed(agent, before) == set()


def test_an_update_moves_everything_that_learns_in_its_order(batch):
    agent = make_agent(learn_temperature=True, num_critic_updates=3)
    calls = []
    for name in (
        "update_critic",
        "update_actor",
        "update_temperature",
        "soft_update_target_critic",
    ):
        original = getattr(agent, name)

        def record(*args, name=name, original=original):
            calls.append(name)
            return original(*args)

        object.__setattr__(agent, name, record)
    metrics = agent.update(**batch, step=1)
    assert calls == ["update_critic"] * 3 + [
        "update_actor",
        "update_temperature",
        "soft_update_target_critic",
    ]
    assert set(metrics) == {
        "critic/loss",
        "critic/q_values",
        "critic/target_values",
        "td_errors",
        "actor/loss",
        "actor/entropy",
        "actor/std",
        "temperature/loss",
        "temperature/value",
    }
    for name, value in metrics.items():
        assert not value.requires_grad, name
        assert value.shape == ((B,) if name == "td_errors" else ()), name


# --- target critics -------------------------------------------------------------------------


def test_target_critics_start_as_a_copy_and_carry_no_gradient():
    agent = make_agent()
    for target, source in zip(agent.target_critic_parameters, agent.critic_parameters, strict=True):
        torch.testing.assert_close(target, source)
        assert not target.requires_grad
        assert target.data_ptr() != source.data_ptr()


def test_a_soft_update_moves_targets_a_quarter_of_the_way():
    agent = make_agent(soft_target_update_rate=0.25)
    old = [torch.randn_like(p) for p in agent.target_critic_parameters]
    for target, value in zip(agent.target_critic_parameters, old, strict=True):
        target.data.copy_(value)
    agent.soft_update_target_critic()
    for target, value, source in zip(
        agent.target_critic_parameters, old, agent.critic_parameters, strict=True
    ):
        torch.testing.assert_close(target, 0.75 * value + 0.25 * source)


def test_hard_updates_come_once_a_period_also_when_steps_skip_its_multiples(batch):
    agent = make_agent(target_update_period=10, soft_target_update_rate=None)
    copied_at = []
    for step in range(3, 60, 4):
        before = copy.deepcopy(agent.target_critics.state_dict())
        agent.update(**batch, step=step)
        after = agent.target_critics.state_dict()
        if any(not torch.equal(before[name], after[name]) for name in before):
            copied_at.append(step)
            for name, value in agent.critics.state_dict().items():
                assert torch.equal(value, after[name])
    assert copied_at == [11, 23, 31, 43, 51]


def test_exactly_one_kind_of_target_update_must_be_chosen():
    with pytest.raises(ValueError, match="either"):
        make_agent(target_update_period=10, soft_target_update_rate=0.1)


# --- settings -------------------------------------------------------------------------------


def test_the_learning_rate_follows_its_schedule(batch):
    agent = make_agent(learning_rate_schedule=lambda step: 1.0 - step / 10)
    agent.update(**batch, step=5)
    assert agent.actor_optimizer.param_groups[0]["lr"] == pytest.approx(0.05)
    before = parameters_of(agent)
    agent.update(**batch, step=10)
    assert changed(agent, before) <= {"target_critics"}


def test_gradients_are_clipped_to_the_norm(batch):
    agent = make_agent(clip_grad_norm=0.01)
    agent.update(**batch, step=1)
    for parameters in (agent.actor_parameters, agent.critic_parameters):
        norm = torch.cat([p.grad.flatten() for p in parameters]).norm()
        assert norm.item() == pytest.approx(0.01, rel=1e-3)


def test_state_dict_holds_optimizers_and_continues_to_the_same_bits(batch):
    first = make_agent(optimizer=torch.optim.Adam, learn_temperature=True)
    for step in range(5):
        first.update(**batch, step=step)
    second = make_agent(seed=9, optimizer=torch.optim.Adam, learn_temperature=True)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for agent in (first, second):
        torch.manual_seed(3)
        for step in range(5, 10):
            agent.update(**batch, step=step)
    for (name, ours), theirs in zip(first.named_parameters(), second.parameters(), strict=True):
        assert torch.equal(ours, theirs), name


def test_weights_leave_the_optimizers_alone(batch, tmp_path):
    first = make_agent(optimizer=torch.optim.Adam)
    first.update(**batch, step=1)
    second = make_agent(seed=9, optimizer=torch.optim.Adam)
    second.load_weights(first.weights())
    assert second.critic_optimizer.state_dict()["state"] == {}
    for ours, theirs in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    first.save(tmp_path / "agent.npz")
    third = make_agent(seed=5, optimizer=torch.optim.Adam)
    third.load(tmp_path / "agent.npz")
    assert third.critic_optimizer.state_dict()["state"][0]["step"] == 1


# --- compiled -------------------------------------------------------------------------------


@pytest.mark.parametrize("actor_gradient_type", ["reinforce", "reparametrize"])
@pytest.mark.parametrize("backup", ["min", "doubleq", "redq"])
def test_compiled_updates_follow_eager_ones_with_the_same_noise(
    batch, actor_gradient_type, backup, compiled, fused_adam, caplog
):
    agents = [
        make_agent(
            optimizer=fused_adam,
            actor_gradient_type=actor_gradient_type,
            target_critic_backup_type=backup,
            learn_temperature=True,
            clip_grad_norm=0.5,
            learning_rate_schedule=lambda step: 1 / step,
        )
        for _ in range(2)
    ]
    agents[1].compiler.is_enabled = True
    with caplog.at_level(logging.WARNING):
        for step in range(1, 6):
            metrics = []
            for agent in agents:
                torch.manual_seed(step)
                metrics.append(agent.update(**batch, step=step, weights=torch.rand(B)))
            torch.testing.assert_close(*metrics, rtol=1e-4, atol=1e-5)
    assert not [r for r in caplog.records if r.name.startswith("hw")], "it was not compiled"
    assert len(compiled) == 1  # critics, actor, temperature and target critics together
    for name, value in agents[1].named_parameters():
        torch.testing.assert_close(agents[0].get_parameter(name), value, rtol=1e-5, atol=1e-5)
