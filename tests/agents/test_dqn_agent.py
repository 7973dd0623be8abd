"""Deep Q-learning on tables and stubs of two layers, against closed forms and a solved MDP.

A table is a linear critic without bias on one-hot observations: Q(s, a) is then one weight.
"""

import copy
import logging
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from hw.agents.dqn_agent import DQN

B, S, OBS, ACT = 6, 4, 5, 3
ONLINE = torch.tensor([[5.0, 1.0, 0.0], [0.0, 0.0, 9.0], [1.0, 7.0, 2.0], [0.0, 3.0, 2.0]])
TARGET = torch.tensor([[1.0, 2.0, 4.0], [3.0, -1.0, 2.0], [0.0, -5.0, 6.0], [-3.0, -2.0, -1.0]])
NEVER = 10**9


class Table(nn.Module):
    def __init__(self, q_values):
        super().__init__()
        self.q_values = nn.Parameter(q_values.clone())

    def forward(self, observations):
        return observations @ self.q_values


class StubCritic(nn.Module):
    def __init__(self, observation_shape, num_actions):
        super().__init__()
        self.hidden = nn.Linear(*observation_shape, 8)
        self.output = nn.Linear(8, num_actions)

    def forward(self, observations):
        return self.output(self.hidden(observations).tanh())


def make_agent(
    seed=0, num_observations=OBS, num_actions=ACT, optimizer=torch.optim.SGD, lr=0.1, **settings
):
    torch.manual_seed(seed)
    defaults = {
        "make_critic": StubCritic,
        "make_critic_optimizer": partial(optimizer, lr=lr),
        "learning_rate_schedule": lambda step: 1.0,
        "exploration_schedule": lambda step: 0.0,
        "discount": 0.5,
        "use_double_q": False,
        "target_update_period": NEVER,
        "soft_target_update_rate": None,
        "clip_grad_norm": None,
    }
    return DQN((num_observations,), num_actions, **(defaults | settings))


def make_table_agent(online=ONLINE, target=TARGET, **settings):
    agent = make_agent(
        num_observations=online.shape[0],
        num_actions=online.shape[1],
        make_critic=lambda observation_shape, num_actions: Table(online),
        **settings,
    )
    agent.target_critic.q_values.data.copy_(target)
    return agent


def one_hot(states, num_states=S):
    return torch.eye(num_states)[states]


@pytest.fixture
def batch():
    torch.manual_seed(1)
    return {
        "observations": torch.randn(B, OBS),
        "actions": torch.tensor([0, 2, 1, 1, 0, 2]),
        "rewards": 3 * torch.randn(B),
        "next_observations": torch.randn(B, OBS),
        "dones": torch.tensor([False, True, False, False, True, False]),
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


# --- acting ---------------------------------------------------------------------------------


def test_one_observation_gives_one_action_and_n_give_n():
    agent = make_agent(exploration_schedule=lambda step: 0.5)
    assert agent.get_action(np.zeros(OBS)).shape == ()
    assert agent.get_action(np.zeros((7, OBS))).shape == (7,)
    assert agent.get_action(np.zeros((1, OBS))).shape == (1,)
    assert agent.get_action(np.zeros(OBS)).dtype == np.int64


def test_image_observations_are_told_apart_from_a_batch_of_them():
    class ImageCritic(nn.Module):
        def forward(self, observations):
            return observations.float().flatten(2).sum(-1)

    agent = make_agent(
        make_critic=lambda observation_shape, num_actions: ImageCritic(),
        make_critic_optimizer=lambda parameters: None,
    )
    agent.observation_shape = (3, 2, 2)
    image = np.zeros((3, 2, 2), np.uint8)
    image[1] = 255
    assert agent.get_action(image) == 1
    assert agent.get_action(np.stack([image, image[[1, 0, 2]]])).tolist() == [1, 0]


def test_greedy_actions_are_the_online_network_s_best():
    agent = make_table_agent()
    observations = np.eye(S, dtype=np.float32)
    assert agent.get_action(observations, step=7).tolist() == [0, 2, 1, 1]  # not those of TARGET
    assert agent.get_action(observations[1], step=7) == 2


def test_deterministic_means_greedy_however_large_epsilon_is():
    agent = make_table_agent(exploration_schedule=lambda step: 1.0)
    observations = np.eye(S, dtype=np.float32).repeat(100, axis=0)
    actions = agent.get_action(observations, step=0, deterministic=True)
    assert actions.tolist() == np.repeat([0, 2, 1, 1], 100).tolist()


def shares(agent, step, num_samples=60_000):
    """How often each action is taken in state 1, whose greedy action is 2."""
    observations = np.eye(S, dtype=np.float32)[[1] * num_samples]
    torch.manual_seed(3)
    return np.bincount(agent.get_action(observations, step=step), minlength=ACT) / num_samples


@pytest.mark.parametrize(
    ("step", "epsilon"), [(0, 1.0), (None, 1.0), (100, 0.3), (101, 0.6), (900, 0.0)]
)
def test_a_share_of_epsilon_is_uniformly_random_as_the_schedule_says_at_the_step(step, epsilon):
    schedule = {0: 1.0, 100: 0.3, 101: 0.6, 900: 0.0}
    agent = make_table_agent(exploration_schedule=schedule.__getitem__)
    expected = [epsilon / 3, epsilon / 3, 1 - 2 * epsilon / 3]
    np.testing.assert_allclose(shares(agent, step), expected, atol=0.01)


def test_environments_explore_independently_of_each_other():
    """In one call, neither the coin nor the random action is shared."""
    agent = make_table_agent(exploration_schedule=lambda step: 0.5)
    observations = np.eye(S, dtype=np.float32)[[1] * 40_000]
    torch.manual_seed(3)
    actions = agent.get_action(observations, step=0).reshape(-1, 2)
    joint = np.zeros((ACT, ACT))
    np.add.at(joint, (actions[:, 0], actions[:, 1]), 1 / len(actions))
    alone = np.array([1 / 6, 1 / 6, 2 / 3])
    np.testing.assert_allclose(joint, np.outer(alone, alone), atol=0.012)


def test_exploring_draws_anew_at_each_call():
    agent = make_table_agent(exploration_schedule=lambda step: 1.0)
    observations = np.eye(S, dtype=np.float32)[[1] * 50]
    first, second = (agent.get_action(observations, step=5) for _ in range(2))
    assert (first != second).any()


# --- targets --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("use_double_q", "expected"),
    [
        # r + 0.5 (1 - d) max TARGET(s'):     4         done  6         -1
        (False, [1.0 + 0.5 * 4.0, 2.0, -1.0 + 0.5 * 6.0, 0.0 + 0.5 * -1.0]),
        # TARGET at the argmax of ONLINE:     1         done  -5        -2
        (True, [1.0 + 0.5 * 1.0, 2.0, -1.0 + 0.5 * -5.0, 0.0 + 0.5 * -2.0]),
    ],
)
@pytest.mark.parametrize("dones_type", [torch.bool, torch.float32])
def test_one_step_targets(use_double_q, expected, dones_type):
    agent = make_table_agent(use_double_q=use_double_q)
    targets = agent.bellman_targets(
        torch.tensor([1.0, 2.0, -1.0, 0.0]),
        torch.eye(S),
        torch.tensor([False, True, False, False]).to(dones_type),
    )
    assert not targets.requires_grad
    assert targets.tolist() == expected


@pytest.mark.parametrize(
    ("use_double_q", "next_values"),
    [(False, [4.0, 3.0, 6.0, -1.0]), (True, [1.0, 2.0, -5.0, -2.0])],
)
def test_n_step_targets_through_an_end_and_through_a_time_limit(use_double_q, next_values):
    agent = make_table_agent(use_double_q=use_double_q)
    rewards = torch.tensor(
        [
            [1.0, 2.0, 4.0],  # three steps of an episode that goes on
            [1.0, 8.0, 0.0],  # terminated at the second
            [1.0, 8.0, 0.0],  # cut off by a time limit at the second: not done
            [6.0, 0.0, 0.0],  # the data stop after one
        ]
    )
    targets = agent.bellman_targets(
        rewards,
        torch.eye(S),
        torch.tensor([False, True, False, False]),
        num_steps=torch.tensor([3, 2, 2, 1]),
    )
    expected = [
        1.0 + 0.5 * 2.0 + 0.25 * 4.0 + 0.125 * next_values[0],
        1.0 + 0.5 * 8.0,
        1.0 + 0.5 * 8.0 + 0.25 * next_values[2],
        6.0 + 0.5 * next_values[3],
    ]
    assert not targets.requires_grad
    assert targets.tolist() == expected


def test_one_step_of_n_step_targets_is_the_one_step_target(batch):
    agent = make_agent()
    arguments = batch["next_observations"], batch["dones"]
    one_step = agent.bellman_targets(batch["rewards"], *arguments)
    n_step = agent.bellman_targets(
        batch["rewards"][:, None], *arguments, torch.ones(B, dtype=torch.int64)
    )
    torch.testing.assert_close(one_step, n_step)


@pytest.mark.parametrize("use_double_q", [False, True])
def test_the_online_network_matters_to_targets_of_double_q_only_by_its_choice(use_double_q):
    """Shifted, it chooses the same; reversed, double Q-learning's choice is another."""

    def targets(online):
        agent = make_table_agent(online, use_double_q=use_double_q)
        return agent.bellman_targets(torch.zeros(S), torch.eye(S), torch.zeros(S))

    assert torch.equal(targets(ONLINE), targets(3 * ONLINE + 5))
    assert torch.equal(targets(ONLINE), targets(-ONLINE)) is (not use_double_q)


# --- loss -----------------------------------------------------------------------------------

STATES, ACTIONS = [0, 1, 1, 3], torch.tensor([0, 0, 2, 1])  # of which ONLINE says 5, 0, 9, 3
TARGETS = torch.tensor([4.5, 3.0, 11.0, 3.25])  # so the errors are 0.5, -3, -2, -0.25


@pytest.mark.parametrize(
    ("weights", "loss"),
    [
        (None, (0.125 + 2.5 + 1.5 + 0.03125) / 4),
        ([1.0, 0.5, 2.0, 0.0], (0.125 + 1.25 + 3.0 + 0.0) / 4),
    ],
)
def test_huber_loss_and_its_gradient(weights, loss):
    """The gradient is the error clipped to [-1, 1], in the entries of the actions taken alone."""
    agent = make_table_agent()
    weights = None if weights is None else torch.tensor(weights)
    ours, metrics = agent.critic_loss(one_hot(STATES), ACTIONS, TARGETS, weights)
    assert ours.item() == pytest.approx(loss)
    assert metrics["critic/loss"] is ours
    assert metrics["critic/q_values"].item() == (5 + 0 + 9 + 3) / 4
    assert metrics["critic/target_values"].item() == TARGETS.mean().item()
    assert metrics["td_errors"].tolist() == [0.5, 3.0, 2.0, 0.25]  # without the weights

    (gradient,) = torch.autograd.grad(ours, [agent.critic.q_values])
    expected = torch.zeros(S, ACT)
    scales = torch.ones(4) if weights is None else weights
    for state, action, slope, scale in zip(
        STATES, ACTIONS, [0.5, -1.0, -1.0, -0.25], scales, strict=True
    ):
        expected[state, action] += scale * slope / 4
    torch.testing.assert_close(gradient, expected)


def test_critic_loss_refuses_targets_of_another_shape(batch):
    with pytest.raises(AssertionError):
        make_agent().critic_loss(batch["observations"], batch["actions"], torch.zeros(B, 1))


# --- the update -----------------------------------------------------------------------------


@pytest.mark.parametrize("use_double_q", [False, True])
def test_gradient_reaches_the_online_network_only(batch, use_double_q):
    agent = make_agent(use_double_q=use_double_q)
    targets = agent.bellman_targets(batch["rewards"], batch["next_observations"], batch["dones"])
    agent.critic_loss(batch["observations"], batch["actions"], targets)[0].backward()
    reached = {n.split(".")[0] for n, p in agent.named_parameters() if p.grad is not None}
    assert reached == {"critic"}


def test_update_critic_steps_down_the_gradient_towards_the_bellman_targets(batch):
    agent = make_agent(use_double_q=True)
    before = parameters_of(agent)
    targets = agent.bellman_targets(batch["rewards"], batch["next_observations"], batch["dones"])
    weights = torch.rand(B)
    loss, _ = agent.critic_loss(batch["observations"], batch["actions"], targets, weights)
    gradients = torch.autograd.grad(loss, agent.critic_parameters)
    metrics = agent.update_critic(**batch, weights=weights)
    assert changed(agent, before) == {"critic"}
    torch.testing.assert_close(metrics["critic/loss"], loss.detach())
    for (name, value), gradient in zip(agent.critic.named_parameters(), gradients, strict=True):
        torch.testing.assert_close(value.detach(), before[f"critic.{name}"] - 0.1 * gradient)


def test_update_hands_weights_and_n_steps_on():
    """One transition of three steps, done: Q(0, 0) moves from 5 by 0.1 * 0.25 * clip(5 - 6.25)."""
    agent = make_table_agent()
    agent.update(
        one_hot([0]),
        torch.tensor([0]),
        torch.tensor([[5.0, 2.0, 1.0]]),
        one_hot([1]),
        torch.tensor([True]),
        step=1,
        weights=torch.tensor([0.25]),
        num_steps=torch.tensor([3]),
    )
    expected = ONLINE.clone()
    expected[0, 0] += 0.1 * 0.25 * 1.0
    torch.testing.assert_close(agent.critic.q_values.detach(), expected)


def test_metrics_of_an_update(batch):
    agent = make_agent(exploration_schedule=lambda step: step / 10, clip_grad_norm=10.0)
    metrics = agent.update(**batch, step=4)
    assert set(metrics) == {
        "critic/loss",
        "critic/q_values",
        "critic/target_values",
        "critic/gradient_norm",
        "exploration/epsilon",
        "td_errors",
    }
    for name, value in metrics.items():
        assert not value.requires_grad, name
        assert value.isfinite().all(), name
        assert value.shape == ((B,) if name == "td_errors" else ()), name
    assert metrics["exploration/epsilon"].item() == pytest.approx(0.4)


# --- the target network ---------------------------------------------------------------------


def test_the_target_network_starts_as_a_copy_and_carries_no_gradient():
    agent = make_agent()
    for target, source in zip(agent.target_critic_parameters, agent.critic_parameters, strict=True):
        torch.testing.assert_close(target, source.detach())
        assert not target.requires_grad
        assert target.data_ptr() != source.data_ptr()
    owned = {id(p) for group in agent.critic_optimizer.param_groups for p in group["params"]}
    assert owned == {id(p) for p in agent.critic.parameters()}


def test_hard_updates_come_once_a_period_also_when_steps_skip_its_multiples(batch):
    agent = make_agent(target_update_period=10)
    copied_at = []
    for step in range(3, 60, 4):
        before = parameters_of(agent)
        agent.update(**batch, step=step)
        if "target_critic" in changed(agent, before):
            copied_at.append(step)
            assert_same_parameters(agent.critic, agent.target_critic)
    assert copied_at == [11, 23, 31, 43, 51]


def test_a_soft_update_follows_each_step_a_quarter_of_the_way(batch):
    agent = make_agent(target_update_period=None, soft_target_update_rate=0.25)
    for step in (1, 2):
        old = [p.clone() for p in agent.target_critic_parameters]
        agent.update(**batch, step=step)
        for target, value, source in zip(
            agent.target_critic_parameters, old, agent.critic_parameters, strict=True
        ):
            assert not torch.equal(target, value)
            torch.testing.assert_close(target, 0.75 * value + 0.25 * source.detach())


@pytest.mark.parametrize(("period", "rate"), [(10, 0.1), (None, None)])
def test_exactly_one_kind_of_target_update_must_be_chosen(period, rate):
    with pytest.raises(ValueError, match="either"):
        make_agent(target_update_period=period, soft_target_update_rate=rate)


# --- settings -------------------------------------------------------------------------------


def test_the_learning_rate_follows_its_schedule(batch):
    agent = make_agent(learning_rate_schedule=lambda step: 1.0 - step / 10)
    for _ in range(2):
        agent.update(**batch, step=5)
        assert agent.critic_optimizer.param_groups[0]["lr"] == pytest.approx(0.05)
    before = parameters_of(agent)
    agent.update(**batch, step=10)
    assert changed(agent, before) == set()


def test_the_gradient_is_clipped_to_the_norm_and_reported_as_it_was(batch):
    norms = []
    for clip_grad_norm in (None, 0.01, 1e6):
        agent = make_agent(clip_grad_norm=clip_grad_norm)
        metrics = agent.update_critic(**batch)
        assert ("critic/gradient_norm" in metrics) is (clip_grad_norm is not None)
        norms.append(torch.cat([p.grad.flatten() for p in agent.critic_parameters]).norm().item())
        reported = metrics.get("critic/gradient_norm", torch.tensor(norms[0]))
        assert reported.item() == pytest.approx(norms[0])
        assert agent.gradient_norms()["critic/gradient_norm"].item() == pytest.approx(norms[-1])
    assert norms[0] > 0.1
    assert norms[1:] == pytest.approx([0.01, norms[0]], rel=1e-3)


def test_a_restored_agent_goes_on_to_the_same_bits(batch, tmp_path):
    """Optimizer and interval included: the period was crossed at 10, so it is not at 13."""

    def make(seed):
        return make_agent(seed, optimizer=torch.optim.Adam, target_update_period=10)

    first = make(0)
    for step in (4, 8, 12):
        first.update(**batch, step=step)
    second, third = make(9), make(8)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    first.save(tmp_path / "agent.npz")
    third.load(tmp_path / "agent.npz")
    for step in (13, 17, 21, 25):
        copies = []
        for agent in (first, second, third):
            before = parameters_of(agent)
            agent.update(**batch, step=step)
            copies.append("target_critic" in changed(agent, before))
        assert copies == [step == 21] * 3
    assert_same_parameters(first, second)
    assert_same_parameters(first, third)


def test_weights_leave_the_optimizer_alone(batch):
    first, second = (make_agent(seed, optimizer=torch.optim.Adam) for seed in (0, 9))
    first.update(**batch, step=1)
    second.load_weights(first.weights())
    assert second.critic_optimizer.state_dict()["state"] == {}
    assert_same_parameters(first, second)


def test_compiled_updates_follow_eager_ones(batch, compiled, fused_adam, caplog):
    agents = [
        make_agent(
            optimizer=fused_adam,
            use_double_q=True,
            target_update_period=2,
            clip_grad_norm=0.5,
            learning_rate_schedule=lambda step: 1 / step,
        )
        for _ in range(2)
    ]
    agents[1].compiler.is_enabled = True
    inputs = batch | {
        "rewards": torch.randn(B, 3),
        "num_steps": torch.tensor([3, 2, 3, 1, 3, 3]),
        "weights": torch.rand(B),
    }
    with caplog.at_level(logging.WARNING):
        for step in range(1, 6):
            metrics = [agent.update(**inputs, step=step) for agent in agents]
            torch.testing.assert_close(*metrics, rtol=1e-5, atol=1e-5)
    assert not [r for r in caplog.records if r.name.startswith("hw")], "it was not compiled"
    assert len(compiled) == 1  # targets and loss in one graph
    for name, value in agents[1].named_parameters():
        torch.testing.assert_close(agents[0].get_parameter(name), value, rtol=1e-5, atol=1e-5)


# --- learning -------------------------------------------------------------------------------


@pytest.mark.parametrize("use_double_q", [False, True])
@pytest.mark.parametrize("target_update", [(5, None), (None, 0.3)], ids=["hard", "soft"])
def test_it_finds_the_known_values_of_a_small_mdp(use_double_q, target_update):
    """State 0: stay for 0.5, or go to 1. State 1: back to 0, or leave for 4 and end.

    With a discount of 0.5: Q*(1, leave) = 4, Q*(0, go) = 2, Q*(0, stay) = 0.5 + 1, Q*(1, back) = 1.
    """
    period, rate = target_update
    zeros = torch.zeros(2, 2)
    agent = make_table_agent(
        zeros,
        zeros,
        lr=2.0,
        use_double_q=use_double_q,
        target_update_period=period,
        soft_target_update_rate=rate,
    )
    for step in range(200):
        agent.update(
            one_hot([0, 0, 1, 1], 2),
            torch.tensor([0, 1, 0, 1]),
            torch.tensor([0.5, 0.0, 0.0, 4.0]),
            one_hot([0, 1, 0, 1], 2),
            torch.tensor([False, False, False, True]),
            step=step,
        )
    expected = torch.tensor([[1.5, 2.0], [1.0, 4.0]])
    torch.testing.assert_close(agent.critic.q_values.detach(), expected, atol=1e-4, rtol=0)
    assert agent.get_action(np.eye(2, dtype=np.float32), deterministic=True).tolist() == [1, 1]
