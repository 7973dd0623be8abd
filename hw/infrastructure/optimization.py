"""What moves parameters (gradient steps, target updates) and what holds them still (freezing)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hw.infrastructure.compilation import Compiler

Metrics = dict[str, Tensor]
EAGER = Compiler()


@dataclass(frozen=True)
class GradientStep:
    """One optimizer step on `parameters` along the gradient of `loss`.

        parameters <- optimizer(parameters, d loss / d parameters)

    Only these parameters receive a gradient, whatever else the loss depends on: a critic through
    which the actor's loss passes is left untouched.

    Args:
        loss: maps inputs to a scalar loss and a dict of metrics.
        parameters: what the loss is differentiated by.
        optimizer: the one that owns them.
        compiler: runs the loss and its gradient, compiled or as they are.
        max_norm: the gradient is scaled down to this global 2-norm; None leaves it.
        name: with a `max_norm`, the metric `<name>/gradient_norm` is the norm before scaling.
    """

    loss: Callable[..., tuple[Tensor, Metrics]]
    parameters: Sequence[nn.Parameter]
    optimizer: torch.optim.Optimizer
    compiler: Compiler = EAGER
    max_norm: float | None = None
    name: str = "train"

    def __call__(self, *inputs: Tensor | None) -> Metrics:
        """Take the step on these inputs and return the loss's metrics, detached."""
        key = (self.loss, id(self.parameters), self.max_norm)
        gradients, metrics = self.compiler.run(key, self.gradients, *inputs)
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        self.optimizer.step()
        return metrics

    def gradients(self, *inputs: Tensor | None) -> tuple[Sequence[Tensor], Metrics]:
        """d loss / d parameters at these inputs, clipped, and the loss's metrics, detached."""
        loss, metrics = self.loss(*inputs)
        gradients = torch.autograd.grad(loss, self.parameters)
        if self.max_norm is not None:
            norm = gradient_norm(gradients)
            gradients = clip_gradients(gradients, norm, self.max_norm)
            metrics = metrics | {f"{self.name}/gradient_norm": norm}
        return gradients, {name: value.detach() for name, value in metrics.items()}


def gradient_norm(gradients: Sequence[Tensor]) -> Tensor:
    """Global 2-norm sqrt(sum_i ||g_i||^2) of a list of gradients: scalar."""
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))


def clip_gradients(gradients: Sequence[Tensor], norm: Tensor, max_norm: float) -> Sequence[Tensor]:
    """Scale gradients by min(1, max_norm / norm), norm being their global 2-norm: new tensors."""
    return torch._foreach_mul(gradients, (max_norm / (norm + 1e-6)).clamp(max=1.0))


@torch.no_grad()
def hard_update(targets: Sequence[Tensor], sources: Sequence[Tensor]) -> None:
    """Targets <- sources, tensor by tensor."""
    torch._foreach_copy_(targets, sources)


@torch.no_grad()
def soft_update(targets: Sequence[Tensor], sources: Sequence[Tensor], rate: float) -> None:
    """Targets <- (1 - rate) targets + rate sources, tensor by tensor.

    Args:
        rate: tau in [0, 1]; 1 is a hard update.
    """
    torch._foreach_lerp_(targets, sources, rate)


def freeze(module: nn.Module) -> nn.Module:
    """Let no gradient be computed for the module's parameters; returns the module."""
    return module.requires_grad_(False)


def set_learning_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set each group's learning rate to `factor` times the one it was made with."""
    for group in optimizer.param_groups:
        group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor
