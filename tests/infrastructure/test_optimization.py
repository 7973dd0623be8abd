"""A gradient step does what its optimizer's definition says, whatever the gradients' layout."""

import copy
from functools import partial

import pytest
import torch
from torch import nn

import hw.infrastructure.pytorch_util as ptu
from hw.infrastructure.compilation import Compiler
from hw.infrastructure.optimization import GradientStep
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
