"""Actor and critic in one module: what they share is computed once, the rest stays apart."""

import pytest
import torch

from hw.networks.actor_critic import SeparateActorCritic, SharedActorCritic
from hw.networks.backbones import MLP, NatureCNN
from hw.networks.heads import CategoricalHead
from hw.networks.mlp_policy import NetworkPolicy
from hw.networks.state_value_critic import StateValueCritic

SHAPE = {"n_layers": 1, "size": 16, "activation": "tanh"}


class CountingMLP(MLP):
    calls = 0

    def forward(self, observations):
        self.calls += 1
        return super().forward(observations)


def make_shared():
    return SharedActorCritic(CountingMLP((4,), **SHAPE), CategoricalHead(16, 3))


def make_separate():
    policy = NetworkPolicy(CountingMLP((4,), **SHAPE), CategoricalHead(16, 3))
    return SeparateActorCritic(policy, StateValueCritic(CountingMLP((4,), **SHAPE)))


@pytest.mark.parametrize("make", [make_shared, make_separate])
def test_both_at_once_are_what_each_is_alone(make):
    actor_critic = make()
    observations = torch.randn(5, 4)
    distribution, values = actor_critic(observations)
    assert distribution.sample().shape == (5,)
    assert values.shape == (5,)
    torch.testing.assert_close(distribution.logits, actor_critic.policy(observations).logits)
    torch.testing.assert_close(values, actor_critic.value(observations))


def test_a_shared_trunk_runs_once():
    actor_critic = make_shared()
    backbone = actor_critic.backbone
    actor_critic(torch.randn(5, 4))
    assert backbone.calls == 1
    actor_critic.policy(torch.randn(5, 4))
    actor_critic.value(torch.randn(5, 4))
    assert backbone.calls == 3


def test_both_losses_train_a_shared_trunk():
    actor_critic = make_shared()
    weight = actor_critic.backbone.layers[0].weight
    distribution, values = actor_critic(torch.randn(5, 4))
    for loss in (values.square().mean(), distribution.entropy().mean()):
        (gradient,) = torch.autograd.grad(loss, weight, retain_graph=True)
        assert gradient.abs().sum() > 0


def test_separate_networks_share_no_parameter():
    actor_critic = make_separate()
    _, values = actor_critic(torch.randn(5, 4))
    values.sum().backward()
    assert all(parameter.grad is None for parameter in actor_critic.actor.parameters())
    assert all(parameter.grad is not None for parameter in actor_critic.critic.parameters())
    # As one module, its optimizer sees both.
    assert len(list(actor_critic.parameters())) == 8


@pytest.mark.parametrize("make", [make_shared, make_separate])
def test_an_actor_critic_is_saved_and_loaded(make, tmp_path):
    one, other = make(), make()
    one.save(tmp_path / "actor_critic.npz")
    other.load(tmp_path / "actor_critic.npz")
    observations = torch.randn(5, 4)
    torch.testing.assert_close(one(observations)[1], other(observations)[1], rtol=0, atol=0)
    torch.testing.assert_close(
        one.policy(observations).logits, other.policy(observations).logits, rtol=0, atol=0
    )


def test_an_actor_critic_sees_images():
    actor_critic = SharedActorCritic(NatureCNN((2, 40, 40), **SHAPE), CategoricalHead(16, 3))
    images = torch.randint(0, 256, (5, 2, 40, 40), dtype=torch.uint8)
    distribution, values = actor_critic(images)
    assert distribution.logits.shape == (5, 3)
    assert values.shape == (5,)
