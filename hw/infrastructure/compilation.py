"""Running the same functions as compiled graphs.

A function of tensors is run once to record the tensor operations that it makes, gradients included,
and the record is compiled. What is compiled is therefore whatever the function does, and eager and
compiled runs share every line of an algorithm. Numbers drawn at random come from the same generator
in both.
"""

import logging
from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor

logger = logging.getLogger(__name__)


class Compiler:
    """Runs functions of tensors, compiled if enabled, and otherwise as they are.

    A function must have no side effects and take the same path for all inputs of the same shapes.
    Python numbers in it are those of its first call: what changes in training must be a tensor. One
    that cannot be compiled runs as it is, after a line that says why.

    Args:
        is_enabled: whether to compile.
    """

    def __init__(self, is_enabled: bool = False):
        self.is_enabled = is_enabled
        self._functions: dict[Hashable, Callable[..., Any]] = {}

    def run(self, key: Hashable, function: Callable[..., Any], *inputs: Tensor | None) -> Any:
        """function(*inputs).

        Args:
            key: stands for the function from one call to the next.
            inputs: tensors, or None.
        """
        if not self.is_enabled:
            return function(*inputs)
        tensors = [value for value in inputs if value is not None]
        shapes = tuple(None if value is None else (value.shape, value.dtype) for value in inputs)
        if (key, shapes) not in self._functions:
            self._functions[key, shapes] = _compile(function, inputs, tensors)
        return self._functions[key, shapes](*tensors)


def _compile(
    function: Callable[..., Any], inputs: tuple[Tensor | None, ...], tensors: list[Tensor]
) -> Callable[..., Any]:
    """A compiled function of the inputs that are not None."""

    def with_tensors(*tensors: Tensor) -> Any:
        given = iter(tensors)
        return function(*(None if value is None else next(given) for value in inputs))

    # Imported here because it takes a second, which an eager run should not pay.
    import torch._inductor.config as inductor_config
    from torch.fx.experimental.proxy_tensor import make_fx

    inductor_config.fallback_random = True
    devices = {tensor.device for tensor in tensors if tensor.is_cuda}
    try:
        with torch.random.fork_rng(devices=devices):
            graph = make_fx(with_tensors, tracing_mode="real")(*tensors)
            compiled = torch.no_grad()(torch.compile(graph, fullgraph=True, dynamic=False))
            compiled(*tensors)
    except Exception as error:  # whatever fails here must not stop training
        reason = str(error).strip().splitlines()[0] if str(error).strip() else ""
        name = getattr(function, "__qualname__", type(function).__name__)
        logger.warning("%s is not compiled: %s: %s", name, type(error).__name__, reason)
        return with_tensors
    return compiled
