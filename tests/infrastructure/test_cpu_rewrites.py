"""A rewritten graph gives what it gave, in the same layout, and holds no more what is slow."""

import pytest
import torch
from torch import nn

import hw.infrastructure.pytorch_util as ptu
from hw.infrastructure.compilation import record
from hw.infrastructure.cpu_rewrites import rewrite_for_cpu
from hw.infrastructure.optimization import gradient_norm
from hw.networks.backbones import EnsembleMLP

aten = torch.ops.aten


def operations(graph):
    return {node.target for node in graph.graph.nodes if node.op == "call_function"}


def gradients_and_norm(net):
    parameters = list(net.parameters())

    def function(inputs):
        gradients = torch.autograd.grad(net(inputs).square().mean(), parameters)
        return gradients, gradient_norm(gradients)

    return function


@pytest.mark.parametrize(
    "net",
    [
        ptu.build_mlp(5, 2, n_layers=2, size=16),
        EnsembleMLP(2, 5, 3, n_layers=2, size=16, activation="relu"),
        nn.Linear(5, 4, bias=False),
    ],
    ids=["layers", "ensemble", "without bias"],
)
def test_results_and_their_layout_stay(net):
    inputs = torch.randn(32, 5)
    graph = record(gradients_and_norm(net), [inputs])
    (*gradients, norm) = torch.utils._pytree.tree_leaves(graph(inputs))
    rewrite_for_cpu(graph)
    (*found, found_norm) = torch.utils._pytree.tree_leaves(graph(inputs))
    torch.testing.assert_close(found, gradients, rtol=1e-5, atol=1e-7, check_stride=True)
    torch.testing.assert_close(found_norm, norm)
    slow = {aten.addmm.default, aten.baddbmm.default, aten._foreach_norm.Scalar}
    assert not operations(graph) & slow


def test_what_would_change_meaning_or_precision_is_left():
    """Scaled sums, other norms, and products of bfloat16, which a sum would round once more."""

    def function(x):
        scaled = torch.addmm(x[0], x, x, beta=0.5)
        norms = torch._foreach_norm([x], 1)
        return scaled, norms, torch.addmm(x[0].bfloat16(), x.bfloat16(), x.bfloat16())

    inputs = torch.randn(4, 4)
    graph = record(function, [inputs])
    expected = graph(inputs)
    rewrite_for_cpu(graph)
    assert {aten.addmm.default, aten._foreach_norm.Scalar} <= operations(graph)
    torch.testing.assert_close(graph(inputs), expected, rtol=0, atol=0)
