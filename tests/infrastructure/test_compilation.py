"""Compiled and eager runs of the same functions agree, and what cannot be compiled still runs."""

import copy
import logging
from functools import partial

import numpy as np
import pytest
import torch
import torch._inductor.config as inductor_config
from torch import nn
from torch._inductor.exc import CppCompileError, InductorError

from hw.infrastructure import compilation, compiled_record, inductor
from hw.infrastructure.compilation import Compiler
from hw.infrastructure.optimization import (
    GradientStep,
    WholeUpdate,
    set_learning_rate,
    soft_update,
)

FUSED_ADAM = partial(torch.optim.Adam, fused=True, lr=1e-2)
OPTIMIZERS = {
    "fused Adam": FUSED_ADAM,
    "Adam": partial(torch.optim.Adam, lr=1e-2),
    "SGD": partial(torch.optim.SGD, lr=1e-2),
    "SGD with momentum": partial(torch.optim.SGD, lr=1e-2, momentum=0.9),
    "RMSprop": partial(torch.optim.RMSprop, lr=1e-2),
}


@pytest.fixture
def recorded(monkeypatch):
    """Records run as they are: what is tested is the record, not the compiler."""
    graphs = []
    monkeypatch.setattr(
        compiled_record, "compile_graph", lambda graph, inputs: graphs.append(graph) or graph
    )
    return graphs


class Regression:
    """A tiny learner with a random input, a clipped gradient and an optional weight."""

    def __init__(self, is_compiled, make_optimizer=FUSED_ADAM):
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
        self.parameters = list(self.net.parameters())
        self.optimizer = make_optimizer(self.parameters)
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


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_steps_as_it_does_uncompiled(name, recorded):
    """Also when its learning rate changes on the way."""
    learners = [Regression(is_compiled, OPTIMIZERS[name]) for is_compiled in (False, True)]
    for learner in learners:
        torch.manual_seed(1)
        inputs, targets = torch.randn(16, 3), torch.randn(16)
        for step in range(1, 20):
            set_learning_rate(learner.optimizer, 1 / step)
            learner.step(inputs, targets)
    assert len(recorded) == 1
    for eager, compiled in zip(learners[0].parameters, learners[1].parameters, strict=True):
        torch.testing.assert_close(eager, compiled, rtol=1e-6, atol=1e-7)
        torch.testing.assert_close(eager.grad, compiled.grad, rtol=1e-5, atol=1e-6)


def test_recording_a_step_takes_none(recorded):
    learner = Regression(is_compiled=True)
    learner.step(torch.ones(4, 3), torch.ones(4))
    step = GradientStep(learner.loss, learner.parameters, learner.optimizer, learner.compiler)
    before = copy.deepcopy((learner.net.state_dict(), learner.optimizer.state_dict()["state"]))
    with step.without_effect():
        for _ in range(3):
            step.take(torch.ones(4, 3), torch.ones(4))
    after = learner.net.state_dict(), learner.optimizer.state_dict()["state"]
    torch.testing.assert_close(before, after, rtol=0, atol=0)


def test_a_learner_goes_on_from_a_loaded_state(recorded):
    """The tensors that a compiled step changes are replaced by loading."""
    torch.manual_seed(1)
    inputs, targets = torch.randn(16, 3), torch.randn(16)
    learner = Regression(is_compiled=True)
    for _ in range(3):
        learner.step(inputs, targets)
    saved = copy.deepcopy((learner.net.state_dict(), learner.optimizer.state_dict()))
    noise = torch.get_rng_state()
    learner.step(inputs, targets)
    expected = copy.deepcopy(learner.net.state_dict())

    for other in (learner, Regression(is_compiled=True)):
        other.net.load_state_dict(saved[0])
        other.optimizer.load_state_dict(copy.deepcopy(saved[1]))
        other.compiler.forget()
        torch.set_rng_state(noise)
        other.step(inputs, targets)
        torch.testing.assert_close(other.net.state_dict(), expected, rtol=0, atol=0)


class Pair:
    """Two learners, the second of which learns what the first has just learned, and a slow copy.

    Args:
        looks: whether the second looks at a number, which cannot be compiled.
    """

    def __init__(self, is_compiled, looks=False, make_optimizer=FUSED_ADAM):
        self.first, self.second = (Regression(is_compiled, make_optimizer) for _ in range(2))
        self.second.compiler = self.first.compiler
        self.copy = [parameter.detach().clone() for parameter in self.first.parameters]
        self.looks = looks

    def update_all(self, inputs, targets):
        metrics = self.first.step(inputs, targets)
        learned = self.first.net(inputs).detach().squeeze(-1)
        if self.looks:
            learned = learned * (2.0 if float(learned[0]) > 1e9 else 1.0)
        second_loss = self.second.step(inputs, learned)["loss"]
        soft_update(self.copy, self.first.parameters, 0.1)
        return metrics | {"second": second_loss, "copy": self.copy[0].mean()}

    def update(self, inputs, targets):
        optimizers = [self.first.optimizer, self.second.optimizer]
        return WholeUpdate(self.update_all, optimizers, self.copy, self.first.compiler)(
            inputs, targets
        )

    def tensors(self):
        parameters = [*self.first.parameters, *self.second.parameters]
        return [*parameters, *(parameter.grad for parameter in parameters), *self.copy]


FUSED_ADAMW = partial(torch.optim.AdamW, fused=True, lr=1e-2)


@pytest.mark.parametrize(
    ("looks", "make_optimizer", "num_graphs"),
    [(False, FUSED_ADAM, 1), (True, FUSED_ADAM, 2), (False, FUSED_ADAMW, 2)],
    ids=["whole", "looking", "with kernels of its own"],
)
def test_a_whole_update_does_as_its_parts(looks, make_optimizer, num_graphs, recorded, caplog):
    """Each part sees what those before it changed; what cannot be compiled whole is, by steps."""
    pairs = [Pair(is_compiled, looks, make_optimizer) for is_compiled in (False, True)]
    with caplog.at_level(logging.INFO):
        for number in range(12):
            results = []
            for pair in pairs:
                torch.manual_seed(number)
                for learner in (pair.first, pair.second):
                    set_learning_rate(learner.optimizer, 1 - number / 12)
                results.append(pair.update(torch.randn(16, 3), torch.randn(16)))
            torch.testing.assert_close(*results, rtol=1e-5, atol=1e-6)
            torch.testing.assert_close(pairs[0].tensors(), pairs[1].tensors(), rtol=1e-5, atol=1e-6)
    assert len(recorded) == num_graphs
    assert ("update_all is not compiled: CannotCompileError" in caplog.text) == (num_graphs > 1)


def test_recording_a_whole_update_does_nothing(recorded):
    pair = Pair(is_compiled=True)
    pair.update(torch.ones(4, 3), torch.ones(4))
    update = WholeUpdate(
        pair.update_all,
        [pair.first.optimizer, pair.second.optimizer],
        pair.copy,
        pair.first.compiler,
    )
    optimizers = pair.first.optimizer, pair.second.optimizer
    states = [optimizer.state_dict()["state"] for optimizer in optimizers]
    before = copy.deepcopy([pair.first.parameters, pair.second.parameters, pair.copy, states])
    with update.without_effect():
        update.take(torch.ones(4, 3), torch.ones(4))
    after = [pair.first.parameters, pair.second.parameters, pair.copy, states]
    torch.testing.assert_close(before, after, rtol=0, atol=0)


class LeftBehind(compiled_record.CompiledRecord):
    """Does all but change the slow copy."""

    def __call__(self, *inputs):
        kept = [(copied, copied.clone()) for copied in self.left]
        results = super().__call__(*inputs)
        for copied, old in kept:
            copied.copy_(old)
        return results


def test_each_group_of_changes_is_compared_by_itself(recorded, monkeypatch, caplog):
    """Those of a slow copy are too small to be seen beside the others."""
    pair = Pair(is_compiled=True)
    monkeypatch.setattr(LeftBehind, "left", pair.copy, raising=False)
    monkeypatch.setattr(compilation, "CompiledRecord", LeftBehind)
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            pair.update(torch.ones(4, 3), torch.ones(4))
    assert "update_all is not compiled: CannotCompileError: it does not change" in caplog.text


class Curious(Regression):
    """A loss that looks at a number of batches of seven, which cannot be compiled."""

    def loss(self, inputs, targets, weights=None):
        loss, metrics = super().loss(inputs, targets, weights)
        if len(inputs) == 7:
            float(loss.detach())
        return loss, metrics


def test_a_shape_that_cannot_be_compiled_leaves_the_other_shapes_right(recorded, caplog):
    learners = [Curious(is_compiled) for is_compiled in (False, True)]
    for learner in learners:
        torch.manual_seed(1)
        for number, batch_size in enumerate([5, 5, 5, 7, 5, 7, 5, 5]):
            set_learning_rate(learner.optimizer, 1 - number / 8)
            learner.step(torch.randn(batch_size, 3), torch.randn(batch_size))
    assert recorded
    assert "Curious.loss is not compiled" in caplog.text
    for eager, compiled in zip(learners[0].parameters, learners[1].parameters, strict=True):
        torch.testing.assert_close(eager, compiled, rtol=1e-6, atol=1e-7)


def test_a_copy_of_a_learner_does_not_train_the_original(recorded):
    learner = Regression(is_compiled=True)
    for _ in range(2):
        learner.step(torch.ones(4, 3), torch.ones(4))
    twin, before = copy.deepcopy(learner), copy.deepcopy(learner.net.state_dict())
    for _ in range(2):
        twin.step(torch.ones(4, 3), torch.ones(4))
    torch.testing.assert_close(learner.net.state_dict(), before, rtol=0, atol=0)
    assert not torch.equal(twin.parameters[0], learner.parameters[0])


def test_sums_that_cancel_may_differ_by_rounding():
    large = torch.tensor([1.0, -2.0])
    compilation.check_agreement([large, torch.tensor(1e-9)], [large, torch.tensor(-3e-8)])
    with pytest.raises(compiled_record.CannotCompileError):
        compilation.check_agreement([large, torch.tensor(0.1)], [large, torch.tensor(0.2)])
    with pytest.raises(compiled_record.CannotCompileError):
        compilation.check_agreement([large, 1e-4 * large], [large, 1.1e-4 * large])


class Forgetful(compiled_record.CompiledRecord):
    """Gives the right results, but leaves what should be changed as it was."""

    def __call__(self, *inputs):
        before = [tensor.clone() for tensor in self.constants]
        results = super().__call__(*inputs)
        for tensor, old in zip(self.constants, before, strict=True):
            tensor.copy_(old)
        return results


def test_a_record_that_changes_parameters_otherwise_is_refused(recorded, monkeypatch, caplog):
    monkeypatch.setattr(compilation, "CompiledRecord", Forgetful)
    caplog.set_level(logging.INFO)
    learners = [Regression(is_compiled) for is_compiled in (False, True)]
    for learner in learners:
        torch.manual_seed(1)
        for _ in range(3):
            learner.step(torch.ones(4, 3), torch.ones(4))
    assert "the step of Adam is not compiled: CannotCompileError: it does not change" in caplog.text
    for eager, compiled in zip(learners[0].parameters, learners[1].parameters, strict=True):
        torch.testing.assert_close(eager, compiled, rtol=1e-6, atol=1e-7)


def numpy_noise(x):
    return x + torch.from_numpy(np.random.default_rng().normal(size=2).astype(np.float32))


def changed_input(x):
    return x.add_(1.0)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (numpy_noise, "its results are not the same when it is called again"),
        (changed_input, "it changes an input in place"),
        (lambda x: x * x.sum().item(), "it turns a tensor into a number"),
    ],
)
def test_a_record_that_would_not_stand_for_its_function_is_refused(
    function, reason, recorded, caplog
):
    compiler = Compiler(is_enabled=True)
    with caplog.at_level(logging.WARNING):
        compiler.run("key", function, torch.ones(2))
        result = compiler.run("key", function, torch.ones(2))
    assert len(caplog.records) == 1
    assert reason in caplog.text
    assert result.shape == (2,)


def test_an_optimizer_that_counts_in_python_is_not_recorded(recorded, caplog):
    class Halving(torch.optim.SGD):
        def step(self, closure=None):
            for group in self.param_groups:
                group["factor"] = group.get("factor", 1.0) / 2
                for parameter in group["params"]:
                    parameter.data -= group["factor"] * parameter.grad

    learners = [Regression(is_compiled, partial(Halving, lr=1.0)) for is_compiled in (False, True)]
    with caplog.at_level(logging.INFO):
        for learner in learners:
            torch.manual_seed(1)
            for _ in range(4):
                learner.step(torch.ones(4, 3), torch.ones(4))
    assert "the step of Halving is not compiled" in caplog.text
    for eager, compiled in zip(learners[0].parameters, learners[1].parameters, strict=True):
        torch.testing.assert_close(eager, compiled)


def test_a_compiler_that_was_interrupted_is_called_again(monkeypatch, caplog):
    """As by Ctrl-C, which reaches it and the run that waits for it; it is asked for less then."""
    compile_once, calls = inductor.compile_kernels, []

    def interrupted(*args):
        calls.append(inductor_config.cpp_wrapper)
        if len(calls) == 1:
            raise InductorError(CppCompileError(["g++"], ""), None)
        return compile_once(*args)

    monkeypatch.setattr(inductor, "compile_kernels", interrupted)
    result = Compiler(is_enabled=True).run("key", torch.sin, torch.ones(3))
    torch.testing.assert_close(result, torch.sin(torch.ones(3)))
    assert calls == [True, False]
    assert "is not compiled" not in caplog.text


@pytest.mark.parametrize("is_one", [False, True], ids=["two tensors", "one tensor twice"])
def test_kernels_are_called_directly_unless_inputs_are_merged(is_one):
    """The compiler makes one input of a tensor that is given twice."""
    graph = compiled_record.record(lambda x, y: (x * y, x - 2 * y), [torch.ones(3), torch.ones(3)])
    x, y = torch.rand(2, 3)
    inputs = [x, x] if is_one else [x, y]
    results = inductor.compile_kernels(graph, inputs)(*inputs)
    torch.testing.assert_close(tuple(results), (inputs[0] * inputs[1], inputs[0] - 2 * inputs[1]))


class Decaying(torch.optim.SGD):
    """Gradient descent that halves parameters first, in operations that students might write."""

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            torch._foreach_mul_(group["params"], 0.5)
            for parameter in group["params"]:
                parameter.sub_(group["lr"] * parameter.grad)


def step_of(optimizer_class, **settings):
    """Parameters, and a function that takes a step of them and returns a number and its double."""
    parameters = [nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(2, 2))]
    optimizer = optimizer_class(parameters, lr=torch.tensor(0.1), **settings)

    def function(x):
        for parameter in parameters:
            parameter.grad = x * parameter.detach()
        optimizer.step()
        return x * 2, parameters[0].detach() * 2

    function(torch.ones(()))
    return parameters, function


@pytest.mark.parametrize(
    ("optimizer_class", "settings", "is_compiled"),
    [
        (torch.optim.Adam, {"fused": True}, True),
        (Decaying, {}, True),
        (torch.optim.Adam, {"fused": True, "amsgrad": True}, False),
        (torch.optim.Adam, {"fused": True, "weight_decay": 0.1}, False),
        (torch.optim.AdamW, {"fused": True}, False),
    ],
)
def test_changes_are_compiled_where_the_compiler_can(
    optimizer_class, settings, is_compiled, monkeypatch
):
    """Results that depend on a change see it, wherever they are computed."""
    parameters, function = step_of(optimizer_class, **settings)
    twins, expected_function = step_of(optimizer_class, **settings)
    compiled = compiled_record.CompiledRecord(
        function, [torch.tensor(0.5)]
    )  # which takes a step, too
    expected_function(torch.tensor(0.5))
    calls = [node for node in compiled.tail.__self__.graph.nodes if node.op == "call_function"]
    assert (calls == []) == is_compiled
    for value in (1.0, 2.0):
        found = compiled(torch.tensor(value))
        torch.testing.assert_close(found, expected_function(torch.tensor(value)))
    torch.testing.assert_close(parameters, twins)


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
