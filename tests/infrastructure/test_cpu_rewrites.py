"""A rewritten graph gives what it gave, in the same layout, and holds no more what is slow."""

import pytest
import torch
from torch import nn

import hw.infrastructure.pytorch_util as ptu
from hw.infrastructure.compiled_record import record
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


def adam_step(parameters, **settings):
    """A function of all gradients in one vector that takes a step of Adam; not the first one."""
    optimizer = torch.optim.Adam(parameters, lr=torch.tensor(0.1), fused=True, **settings)

    def function(gradients):
        for parameter, gradient in zip(parameters, gradients.split([3, 4]), strict=True):
            parameter.grad = gradient.reshape(parameter.shape)
        optimizer.step()

    function(torch.ones(7, dtype=parameters[0].dtype))
    return optimizer, function


def make_parameters(dtype=torch.float32):
    return [nn.Parameter(torch.ones(3, dtype=dtype)), nn.Parameter(torch.ones(2, 2, dtype=dtype))]


@pytest.mark.parametrize("settings", [{}, {"eps": 1e-5, "betas": (0.5, 0.99)}])
def test_adam_written_out_steps_as_the_fused_kernel_does(settings):
    """Also where tensors have made different numbers of steps, and with another learning rate."""
    parameters, twins = make_parameters(), make_parameters()
    optimizer, function = adam_step(parameters, **settings)
    fused, fused_step = adam_step(twins, **settings)
    graph = record(function, [torch.ones(7)])  # which takes a step, too
    fused_step(torch.ones(7))
    rewrite_for_cpu(graph)
    assert aten._fused_adam_.tensor_lr not in operations(graph)
    for opt in (optimizer, fused):
        opt.state[opt.param_groups[0]["params"][1]]["step"] += 40
    for step in range(1, 30):
        gradients = torch.randn(7) * 10.0 ** torch.randint(-6, 3, (7,))
        gradients[0] = 0.0
        for opt, take_step in ((optimizer, graph), (fused, fused_step)):
            opt.param_groups[0]["lr"].fill_(0.1 / step)
            with torch.no_grad():
                take_step(gradients)
        torch.testing.assert_close(parameters, twins, rtol=1e-6, atol=1e-7)
    for parameter, twin in zip(parameters, twins, strict=True):
        torch.testing.assert_close(optimizer.state[parameter], fused.state[twin], rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    ("dtype", "settings"),
    [
        (torch.float32, {"weight_decay": 0.1}),
        (torch.float32, {"amsgrad": True}),
        (torch.float32, {"maximize": True}),
        (torch.float64, {}),
    ],
)
def test_variants_of_adam_are_left(dtype, settings):
    _, function = adam_step(make_parameters(dtype), **settings)
    graph = record(function, [torch.ones(7, dtype=dtype)])
    rewrite_for_cpu(graph)
    assert aten._fused_adam_.tensor_lr in operations(graph)


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
