"""Compiled and eager runs of the same functions agree, and what cannot be compiled still runs."""

import copy
import logging

import pytest
import torch
from torch import nn

from hw.infrastructure.compilation import Compiler
from hw.infrastructure.optimization import GradientStep


class Regression:
    """A tiny learner with a random input, a clipped gradient and an optional weight."""

    def __init__(self, is_compiled):
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
        self.parameters = list(self.net.parameters())
        self.optimizer = torch.optim.Adam(self.parameters, lr=1e-2)
        self.compiler = Compiler(is_compiled)

    def loss(self, inputs, targets, weights=None):
        noisy = inputs + 0.1 * torch.randn_like(inputs)
        errors = (self.net(noisy).squeeze(-1) - targets).square()
        loss = (errors if weights is None else weights * errors).mean()
        return loss, {"loss": loss, "errors": errors}

    def step(self, *inputs):
        return GradientStep(self.loss, self.parameters, self.optimizer, self.compiler, 1.0)(*inputs)


def test_compiled_steps_follow_eager_ones_with_the_same_noise():
    learners = [Regression(is_compiled=False), Regression(is_compiled=True)]
    results = []
    for learner in learners:
        torch.manual_seed(1)
        inputs, targets, weights = torch.randn(16, 3), torch.randn(16), torch.rand(16)
        for _ in range(100):
            learner.step(inputs, targets, None)
            metrics = learner.step(inputs, targets, weights)
        results.append(metrics)
    assert not metrics["loss"].requires_grad
    torch.testing.assert_close(results[0], results[1], rtol=1e-4, atol=1e-5)
    for eager, compiled in zip(learners[0].parameters, learners[1].parameters, strict=True):
        torch.testing.assert_close(eager, compiled, rtol=1e-5, atol=1e-5)


def test_a_function_that_cannot_be_compiled_runs_with_one_line_that_says_why(caplog):
    compiler = Compiler(is_enabled=True)

    def depends_on_values(x):
        return x * 2 if x.sum().item() > 0 else x

    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            torch.testing.assert_close(
                compiler.run("key", depends_on_values, torch.ones(2)), torch.full((2,), 2.0)
            )
    (record,) = caplog.records
    assert "depends_on_values is not compiled: " in record.getMessage()
    assert "\n" not in record.getMessage()


def test_an_error_of_the_function_itself_is_raised_as_it_is(caplog):
    def blank(x):
        raise NotImplementedError("TODO")

    with pytest.raises(NotImplementedError, match="TODO"):
        Compiler(is_enabled=True).run("key", blank, torch.ones(2))


def test_without_compiling_functions_are_called_as_they_are():
    calls = []
    compiler = Compiler()
    for value in (torch.ones(1), None):
        compiler.run("key", calls.append, value)
    assert calls[1] is None
    assert len(calls) == 2


def test_a_learner_can_be_copied_with_its_compiler():
    copy.deepcopy(Compiler(is_enabled=True))
