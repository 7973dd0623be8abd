"""What moves parameters (gradient steps, target updates) and what holds them still (freezing)."""

import contextlib
import copy
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.utils._pytree as pytree
from torch import Tensor, nn

from hw.infrastructure.compilation import Compiler
from hw.infrastructure.compiled_record import CannotCompileError

Metrics = dict[str, Tensor]
TensorGroups = Sequence[Sequence[Tensor]]
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
        compiler: runs the whole step, compiled or as it is.
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
        if not self.compiler.is_enabled:
            return self.take(*inputs)[1]
        gradients, metrics = self.compiler.run(
            (self._key, "step"),
            self.take,
            *inputs,
            name=f"the step of {type(self.optimizer).__name__}",
            instead=self.take_with_compiled_gradients,
            starts_eagerly=not self.optimizer.state,  # the first step makes it
            without_effect=self.without_effect,
        )
        self.set_gradients(gradients)
        return metrics

    def take(self, *inputs: Tensor | None) -> tuple[Sequence[Tensor], Metrics]:
        """Compute the gradients and take the optimizer's step; returns them and the metrics."""
        gradients, metrics = self.gradients(*inputs)
        self.set_gradients(gradients)
        self.optimizer.step()
        return gradients, metrics

    def take_with_compiled_gradients(
        self, *inputs: Tensor | None
    ) -> tuple[Sequence[Tensor], Metrics]:
        """The same, of an optimizer whose step cannot be compiled."""
        gradients, metrics = self.compiler.run(
            (self._key, "gradients"),
            self.gradients,
            *inputs,
            name=getattr(self.loss, "__qualname__", type(self.loss).__name__),
        )
        self.set_gradients(gradients)
        self.optimizer.step()
        return gradients, metrics

    @property
    def _key(self) -> tuple[Any, ...]:
        return self.loss, id(self.parameters), id(self.optimizer), self.max_norm

    def set_gradients(self, gradients: Sequence[Tensor]) -> None:
        """Hand every parameter its gradient."""
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient

    def gradients(self, *inputs: Tensor | None) -> tuple[Sequence[Tensor], Metrics]:
        """d loss / d parameters at these inputs, clipped, and the loss's metrics, detached."""
        loss, metrics = self.loss(*inputs)
        gradients = torch.autograd.grad(loss, self.parameters)
        gradients = [laid_out_like(p, g) for p, g in zip(self.parameters, gradients, strict=True)]
        if self.max_norm is not None:
            norm = gradient_norm(gradients)
            gradients = clip_gradients(gradients, norm, self.max_norm)
            metrics = metrics | {f"{self.name}/gradient_norm": norm}
        return gradients, {name: value.detach() for name, value in metrics.items()}

    def without_effect(self) -> contextlib.AbstractContextManager[TensorGroups]:
        """Undo all steps taken within it, see `without_effect`; it gives the parameters."""
        return without_effect([self.optimizer], [self.parameters], self.compiler)


@dataclass(frozen=True)
class WholeUpdate:
    """Several gradient steps, and what else is made of the same batch, as one function.

    Compiled, they are one graph, whose parts are fused and called together. Where that cannot be,
    as on a GPU, whose optimizers have kernels of their own, each step is compiled by itself.

    Args:
        function: maps inputs to metrics; takes a `GradientStep` of each of the optimizers, in any
            order, and may change the `others` in place.
        optimizers: of its steps.
        others: tensors, such as the weights of target networks.
        compiler: the one that its steps have.
    """

    function: Callable[..., Metrics]
    optimizers: Sequence[torch.optim.Optimizer]
    others: Sequence[Tensor]
    compiler: Compiler

    def __call__(self, *inputs: Tensor | None) -> Metrics:
        """Do it with these inputs and return the metrics, detached."""
        if not self.compiler.is_enabled:
            return self.function(*inputs)
        gradients, metrics = self.compiler.run(
            (self.function, "update"),
            self.take,
            *inputs,
            name=getattr(self.function, "__qualname__", type(self.function).__name__),
            instead=self.take,
            starts_eagerly=not all(optimizer.state for optimizer in self.optimizers),
            without_effect=self.without_effect,
            without_tail=True,
        )
        for parameter, gradient in zip(self.parameters(), gradients, strict=True):
            parameter.grad = gradient
        return metrics

    def take(self, *inputs: Tensor | None) -> tuple[Sequence[Tensor], Metrics]:
        """Call the function; returns each parameter's last gradient, and the metrics."""
        metrics = self.function(*inputs)
        return [parameter.grad for parameter in self.parameters()], metrics

    def parameters(self) -> list[nn.Parameter]:
        """Of all optimizers."""
        return [p for optimizer in self.optimizers for p in _parameters(optimizer)]

    def without_effect(self) -> contextlib.AbstractContextManager[TensorGroups]:
        """Undo what is done within it, see `without_effect`; it gives all that is changed."""
        groups = [_parameters(optimizer) for optimizer in self.optimizers]
        return without_effect(self.optimizers, [*groups, self.others], self.compiler)


@contextlib.contextmanager
def without_effect(
    optimizers: Sequence[torch.optim.Optimizer], groups: TensorGroups, compiler: Compiler
) -> Iterator[TensorGroups]:
    """Undo, at its end, all steps taken within it, so that they can be recorded.

    Learning rates become tensors, which a record does not keep the value of, and stay so unless the
    block fails.

    Args:
        optimizers: that take steps.
        groups: tensors that are changed; those of a group were changed by one means. It gives them.
        compiler: forgets what holds on to an optimizer's state, where that is replaced.

    Raises:
        CannotCompileError: an optimizer counts in Python numbers.
    """
    states = [copy.deepcopy(optimizer.state_dict()) for optimizer in optimizers]
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = _rate_as_tensor(group["lr"], group["params"][0].device)
    tensors = [tensor for group in groups for tensor in group] + _leaves(optimizers, Tensor)
    saved = [tensor.detach().clone() for tensor in tensors]
    numbers = _leaves(optimizers, int | float)
    try:
        yield groups
        if _leaves(optimizers, int | float) != numbers:
            raise CannotCompileError("its optimizer counts in Python numbers")
    except Exception:
        for optimizer, state in zip(optimizers, states, strict=True):
            optimizer.load_state_dict(state)
        compiler.forget()  # what was compiled holds the tensors that this replaced
        raise
    finally:
        hard_update(tensors, saved)


def _parameters(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _rate_as_tensor(rate: float | Tensor, device: torch.device) -> Tensor:
    """A learning rate of the type that fused kernels take, where they read it without waiting."""
    is_on_cpu = device.type == "cpu"
    return torch.as_tensor(rate, dtype=torch.float64 if is_on_cpu else torch.float32, device=device)


def _leaves(optimizers: Sequence[torch.optim.Optimizer], kind: Any) -> list[Any]:
    """What optimizers' states and groups hold of a type, but for parameters and their rates."""
    groups = [
        {name: value for name, value in group.items() if name not in ("params", "lr")}
        for optimizer in optimizers
        for group in optimizer.param_groups
    ]
    states = [list(optimizer.state.values()) for optimizer in optimizers]
    return [leaf for leaf in pytree.tree_leaves([states, groups]) if isinstance(leaf, kind)]


def laid_out_like(parameter: Tensor, gradient: Tensor) -> Tensor:
    """A gradient or moment in its parameter's memory order: itself, or a copy.

    Fused optimizers go through the memory of both side by side, whatever the strides say. A
    convolution of images with channels last returns its weight's gradient in another order.
    """
    if gradient.stride() == parameter.stride():
        return gradient
    return torch.empty_like(parameter).copy_(gradient)


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Restore `optimizer.state_dict()`, every moment in its parameter's memory order.

    A file keeps values and shapes but no strides, so what was written of a weight that is not
    contiguous returns in another order than the weight's; see `laid_out_like`.
    """
    optimizer.load_state_dict(state)
    for parameter, moments in optimizer.state.items():
        for name, moment in moments.items():
            if isinstance(moment, Tensor) and moment.shape == parameter.shape:
                moments[name] = laid_out_like(parameter, moment)


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


@contextlib.contextmanager
def tracer_left_out() -> Iterator[None]:
    """Within it, making an optimizer does not import `torch.compile`'s tracer.

    PyTorch would keep the tracer out of `add_param_group`, and imports it to tell it so, which
    takes one to two seconds at the start of a program. It is imported at the first step.
    """
    add_param_group = torch.optim.Optimizer.add_param_group
    torch.optim.Optimizer.add_param_group = inspect.unwrap(add_param_group)
    try:
        yield
    finally:
        torch.optim.Optimizer.add_param_group = add_param_group


def freeze(module: nn.Module) -> nn.Module:
    """Let no gradient be computed for the module's parameters; returns the module."""
    return module.requires_grad_(False)


def set_learning_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set each group's learning rate to `factor` times the one it was made with."""
    for group in optimizer.param_groups:
        if "initial_lr" not in group:
            group["initial_lr"] = float(group["lr"])
        rate = group["initial_lr"] * factor
        if isinstance(group["lr"], Tensor):  # which a compiled step holds on to
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
