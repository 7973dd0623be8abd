"""What becomes one launch on a GPU, with the launch itself replaced where there is no GPU.

Capturing is stood in for by calling the function again and writing its results where those of the
first call were, as a graph does. The last test captures in earnest where there is a GPU.
"""

import copy

import pytest
import torch
import torch.utils._pytree as pytree
from torch import nn

from hw.infrastructure import compilation, compiled_record, cuda_graph
from hw.infrastructure.compilation import Compiler
from hw.infrastructure.cuda_graph import NUM_WARM_UPS, GraphedFunction, is_on_gpu
from hw.infrastructure.optimization import GradientStep, set_learning_rate, soft_update


@pytest.fixture
def captured(monkeypatch):
    """Stand in for CUDA; collects what was captured."""
    functions = []

    def capture(function, device):
        for _ in range(NUM_WARM_UPS):
            function()
        results = pytree.tree_map(torch.clone, function())
        functions.append(function)

        def replay():
            with torch.no_grad():
                pytree.tree_map(lambda old, new: old.copy_(new), results, function())

        return replay, results

    monkeypatch.setattr(cuda_graph, "capture", capture)
    monkeypatch.setattr(compilation, "is_on_gpu", lambda inputs: True)
    monkeypatch.setattr(compiled_record, "compile_graph", lambda graph, inputs: graph)
    return functions


class Learner:
    """Regression with noise, a schedule and a target network, on any device."""

    def __init__(self, is_compiled, device="cpu"):
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1)).to(device)
        self.target = copy.deepcopy(self.net)
        self.parameters = list(self.net.parameters())
        self.optimizer = torch.optim.Adam(self.parameters, lr=1e-2, fused=True)
        self.compiler = Compiler(is_compiled)

    def loss(self, inputs, targets, weights=None):
        noisy = inputs + 0.1 * torch.randn_like(inputs)
        errors = (self.net(noisy).squeeze(-1) - targets).square()
        loss = (errors if weights is None else weights * errors).mean()
        return loss, {"loss": loss, "errors": errors}

    def step(self, number, *inputs):
        set_learning_rate(self.optimizer, 1 / (1 + number))
        step = GradientStep(self.loss, self.parameters, self.optimizer, self.compiler, 1.0)
        metrics = step(*inputs)
        soft_update(list(self.target.parameters()), self.parameters, 0.1)
        return metrics


def train(learner, device="cpu"):
    """Metrics of each of 20 steps, and the weights at their end."""
    torch.manual_seed(1)
    history = []
    for number in range(20):
        inputs = torch.randn(16, 3).to(device), torch.randn(16).to(device)
        weights = torch.rand(16).to(device) if number % 2 else None
        metrics = learner.step(number, *inputs, weights)
        history.append({name: value.clone() for name, value in metrics.items()})
    return history, [*learner.net.parameters(), *learner.target.parameters()]


def test_a_captured_learner_learns_as_an_eager_one(captured):
    eager, graphed = train(Learner(is_compiled=False)), train(Learner(is_compiled=True))
    assert len(captured) == 2  # with weights and without
    torch.testing.assert_close(graphed, eager)


def test_inputs_and_results_are_copied(captured):
    graphed = GraphedFunction(
        lambda x, none, y: {"sum": x + y, "x": x}, [torch.ones(2), None, torch.ones(2)]
    )
    given = torch.tensor([1.0, 2.0])
    first, second = graphed(given, None, given), graphed(2 * given, None, given)
    assert first["sum"].tolist() == [2.0, 4.0]
    assert second["sum"].tolist() == [3.0, 6.0]
    assert first["x"].tolist() == given.tolist() == [1.0, 2.0]


def test_a_capture_that_fails_leaves_the_function_as_it_is(captured, monkeypatch, caplog):
    def fail(function, device):
        function()
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(cuda_graph, "capture", fail)
    graphed = train(Learner(is_compiled=True))
    torch.testing.assert_close(graphed, train(Learner(is_compiled=False)))
    assert "operation not permitted when stream is capturing" in caplog.text


def test_a_wrong_capture_is_noticed(captured, monkeypatch, caplog):
    """One that goes on reading other inputs than it is given, for instance."""
    monkeypatch.setattr(cuda_graph, "capture", lambda function, device: (lambda: None, function()))

    def noisy_sum(x):
        return x.sum() + torch.rand(())

    torch.manual_seed(0)  # two draws may be so near to one another that nothing is to be noticed
    Compiler(is_enabled=True).run("key", noisy_sum, torch.ones(3), name="f")
    assert "f is not compiled: CannotCompileError" in caplog.text


def test_only_tensors_on_one_gpu_are_captured():
    assert not is_on_gpu([torch.ones(1), None])
    assert not is_on_gpu([])
    assert not is_on_gpu([torch.ones(1, device="meta")])


@pytest.mark.parametrize("device", ["cuda"] if torch.cuda.is_available() else ["cpu"])
def test_where_there_is_a_gpu_the_capture_is_a_real_one(device):
    """Without one this is what it would be compared with: a learner that is compiled only."""
    learners = [Learner(is_compiled, device) for is_compiled in (False, True)]
    eager, compiled = (train(learner, device) for learner in learners)
    torch.testing.assert_close(compiled, eager, rtol=1e-3, atol=1e-5)
