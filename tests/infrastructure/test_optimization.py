"""A gradient step does what its optimizer's definition says, whatever the gradients' layout."""

import copy
from functools import partial

import pytest
import torch
from torch import nn

import hw.infrastructure.pytorch_util as ptu
from hw.env_configs.assemble import make_trainer
from hw.env_configs.loading import bind
from hw.infrastructure.compilation import Compiler
from hw.infrastructure.optimization import GradientStep, load_optimizer
from hw.infrastructure.state_file import load_state, save_state
from hw.networks.backbones import NatureCNN


class Transposed(nn.Module):
    """A layer whose weight lies in memory column by column."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 3).t())

    def forward(self, inputs):
        return inputs @ self.weight


def make_cnn():
    return NatureCNN((4, 36, 36), n_layers=1, size=8, activation="relu")


def make_inputs(is_image):
    shape = (6, 4, 36, 36) if is_image else (6, 3)
    generator = torch.Generator().manual_seed(0)
    if is_image:
        return torch.randint(256, shape, dtype=torch.uint8, generator=generator)
    return torch.randn(shape, generator=generator)


@pytest.mark.parametrize("max_norm", [None, 0.1])
@pytest.mark.parametrize("is_compiled", [False, True])
@pytest.mark.parametrize("make_net", [make_cnn, Transposed])
def test_a_fused_optimizer_steps_as_the_plain_one(make_net, is_compiled, max_norm):
    """Fused kernels read gradients in the order of memory, not of their strides.

    An optimizer of `loss.backward()` and `step()` without fusing is what is meant.
    """
    torch.manual_seed(0)
    net = make_net()
    inputs = make_inputs(is_image=make_net is make_cnn)
    expected = copy.deepcopy(net)
    plain = torch.optim.Adam(expected.parameters(), lr=1e-3, foreach=False)
    fused = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)
    compiler = Compiler(is_compiled)
    step = GradientStep(
        partial(loss, net), list(net.parameters()), fused, compiler, max_norm=max_norm
    )
    for _ in range(4):
        step(inputs)
        plain.zero_grad()
        loss(expected, inputs)[0].backward()
        if max_norm is not None:
            nn.utils.clip_grad_norm_(expected.parameters(), max_norm)
        plain.step()
    for found, parameter in zip(net.parameters(), expected.parameters(), strict=True):
        assert found.grad.stride() == found.stride()
        torch.testing.assert_close(found, parameter, rtol=1e-4, atol=1e-5)


def loss(net, inputs):
    value = (net(inputs) - 1.0).square().mean()
    return value, {"loss": value}


def test_products_of_bfloat16_give_gradients_in_the_parameters_order(monkeypatch):
    monkeypatch.setattr(ptu, "products", "bfloat16")
    net = make_cnn()
    fused = torch.optim.Adam(net.parameters(), fused=True)
    GradientStep(partial(loss, net), list(net.parameters()), fused)(make_inputs(is_image=True))
    for parameter in net.parameters():
        assert parameter.grad.stride() == parameter.stride()


def test_an_optimizer_goes_on_from_a_file_whatever_its_parameters_layout(tmp_path):
    torch.manual_seed(0)
    net, inputs = make_cnn().to(memory_format=torch.channels_last), make_inputs(is_image=True)
    adam = partial(torch.optim.Adam, lr=0.1, fused=True)
    optimizer = adam(net.parameters())
    take_steps(net, optimizer, inputs)
    save_state(tmp_path / "optimizer.npz", optimizer.state_dict())
    twin = copy.deepcopy(net)
    restored = adam(twin.parameters())
    load_optimizer(restored, load_state(tmp_path / "optimizer.npz"))
    take_steps(net, optimizer, inputs)
    take_steps(twin, restored, inputs)
    torch.testing.assert_close(twin.state_dict(), net.state_dict(), rtol=0, atol=0)


def take_steps(net, optimizer, inputs):
    step = GradientStep(partial(loss, net), list(net.parameters()), optimizer)
    for _ in range(3):
        step(inputs)


ATARI = {"env_name": "ALE/Pong-v5", "backbone": "nature_cnn", "hidden_size": 16, "num_layers": 1}
VECTORS = {"hidden_size": 16}
REPLAY = {"training_starts": 8, "batch_size": 8, "replay_buffer_capacity": 100}
ROLLOUT = {"rollout_length": 8, "batch_size": 4, "num_epochs": 2}
RUNS = {
    "sac": VECTORS | REPLAY | {"env_name": "Pendulum-v1", "random_steps": 8},
    "td3": VECTORS | REPLAY | {"env_name": "Pendulum-v1", "random_steps": 8},
    "dqn": VECTORS | REPLAY | {"env_name": "CartPole-v1"},
    "dqn, dueling, prioritised": VECTORS
    | REPLAY
    | {"env_name": "CartPole-v1", "use_dueling": True, "use_prioritized_replay": True},
    "dqn on images": ATARI | REPLAY | {"wrappers": ["atari"]},
    "ppo": VECTORS | ROLLOUT | {"env_name": "Pendulum-v1"},
    "ppo on images": ATARI | ROLLOUT | {"wrappers": ["atari"], "use_shared_trunk": True},
    "pg": VECTORS | {"env_name": "CartPole-v1", "batch_size": 8, "use_baseline": True},
}


@pytest.mark.parametrize("name", RUNS)
def test_every_agent_learns_the_same_with_a_plain_optimizer(name, monkeypatch, tmp_path):
    """Forty steps of training, once with fused Adam and once with Adam as it is written down."""
    fused = weights_after_training(name, tmp_path / "fused")
    adam = torch.optim.Adam
    monkeypatch.setattr(
        torch.optim, "Adam", lambda *args, fused, **kwargs: adam(*args, foreach=False, **kwargs)
    )
    plain = weights_after_training(name, tmp_path / "plain")
    assert fused.keys() == plain.keys()
    for key, weight in fused.items():
        torch.testing.assert_close(weight, plain[key], rtol=1e-3, atol=1e-5, msg=key)


def weights_after_training(name, run_dir):
    base_config = name.split(",")[0].split(" ")[0]
    config = bind({"base_config": base_config, "total_steps": 40, "compile": False} | RUNS[name])
    run_dir.mkdir()
    with make_trainer(config, run_dir, show_progress=False) as trainer:
        untrained = {key: weight.clone() for key, weight in trainer.agent.weights().items()}
        for _ in range(40):
            trainer.run_step()
        weights = trainer.agent.weights()
        assert any(not torch.equal(untrained[key], weight) for key, weight in weights.items())
        return {key: weight.clone() for key, weight in weights.items()}
