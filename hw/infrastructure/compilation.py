"""Running the same functions as compiled graphs.

A function of tensors is run once to record the tensor operations that it makes, gradients and the
optimizer's step included, and the record is compiled. What is compiled is therefore whatever the
function does, and eager and compiled runs share every line of an algorithm. Numbers drawn at random
come from the same generator in both. On a GPU all of it is launched at once, as a CUDA graph.

What is compiled is compared with the function itself before it stands in for it.
"""

import contextlib
import logging
import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

import torch
import torch.utils._pytree as pytree
from torch import Tensor

import hw.infrastructure.pytorch_util as ptu
from hw.infrastructure.compiled_record import CannotCompileError, CompiledRecord
from hw.infrastructure.cuda_graph import GraphedFunction, is_on_gpu

logger = logging.getLogger(__name__)

WithoutEffect = Callable[[], contextlib.AbstractContextManager[Sequence[Sequence[Tensor]] | None]]


class Compiler:
    """Runs functions of tensors, compiled if enabled, and otherwise as they are.

    A function must take the same path for all inputs of the same shapes. Python numbers in it are
    those of its first call: what changes in training must be a tensor. It may change tensors other
    than its inputs in place. What it runs through the same compiler becomes part of it. One that
    cannot be compiled runs as it is, after a line that says why.

    Args:
        is_enabled: whether to compile.
    """

    def __init__(self, is_enabled: bool = False):
        self.is_enabled = is_enabled
        self._functions: dict[Hashable, Callable[..., Any]] = {}
        self._started: set[Hashable] = set()
        self._is_compiling = False

    def run(
        self,
        key: Hashable,
        function: Callable[..., Any],
        *inputs: Tensor | None,
        name: str | None = None,
        instead: Callable[..., Any] | None = None,
        starts_eagerly: bool = False,
        without_effect: WithoutEffect = contextlib.nullcontext,
        without_tail: bool = False,
    ) -> Any:
        """function(*inputs).

        Args:
            key: stands for the function from one call to the next.
            inputs: tensors, or None.
            name: of the function, in the line that says why it is not compiled.
            instead: what runs where the function cannot be compiled; by default itself.
            starts_eagerly: the first call with this key runs as it is, and makes what later ones
                change in place.
            without_effect: makes a context that undoes, at its end, what `function` does to
                anything but its result; recording calls it more often than is meant. It gives
                groups of tensors, by whose changes compiled and eager calls are compared, or None.
            without_tail: count it as impossible to compile, where not all of it would be compiled.
        """
        if not self.is_enabled or self._is_compiling:
            return function(*inputs)
        if starts_eagerly and key not in self._started:
            self._started.add(key)
            return function(*inputs)
        shapes = tuple(None if value is None else (value.shape, value.dtype) for value in inputs)
        compiled = self._functions.get((key, shapes))
        if compiled is None:
            self._is_compiling = True
            try:
                compiled = _compile(function, inputs, name, instead, without_effect, without_tail)
            finally:
                self._is_compiling = False
            self._functions[key, shapes] = compiled
        return compiled(*inputs)

    def forget(self) -> None:
        """Compile anew what runs from here on: tensors that were changed in place are replaced."""
        self._functions.clear()

    def __getstate__(self) -> dict[str, Any]:
        """A copy compiles its own: what is compiled holds on to the tensors it changes."""
        return Compiler(self.is_enabled).__dict__


def _compile(
    function: Callable[..., Any],
    inputs: Sequence[Tensor | None],
    name: str | None,
    instead: Callable[..., Any] | None,
    without_effect: WithoutEffect,
    without_tail: bool,
) -> Callable[..., Any]:
    """The function compiled for inputs of these shapes, or what runs instead, with a line why."""
    try:
        with torch.inference_mode(False):
            inputs = [value if value is None else value.clone() for value in inputs]
            with _random_state_kept(inputs), without_effect():
                compiled = CompiledRecord(function, inputs, without_tail)
                if is_on_gpu(inputs):
                    compiled = GraphedFunction(compiled, inputs)
            expected, expected_changes = _outcome(function, inputs, without_effect)
            found, changes = _outcome(compiled, inputs, without_effect)
            check_agreement(found, expected)
            for group, expected_group in zip(changes, expected_changes, strict=True):
                check_changes(group, expected_group)
    except Exception as error:  # whatever fails here must not stop training
        reason = str(error).strip().splitlines()[0] if str(error).strip() else ""
        name = name or getattr(function, "__qualname__", type(function).__name__)
        level = logging.WARNING if instead is None else logging.INFO
        logger.log(level, "%s is not compiled: %s: %s", name, type(error).__name__, reason)
        return instead or function
    return compiled


def check_agreement(found: Any, expected: Any) -> None:
    """Compare what a compiled function and the function itself gave, with room for rounding.

    A number may be what is left of large ones that cancel, such as a loss of normalised advantages.
    So tensors are compared on the scale of their largest element, and not below a millionth of the
    largest of all; single numbers not below a thousandth. Products of bfloat16 are given more room:
    compiled or not, they are rounded at other places.

    Raises:
        CannotCompileError: they differ, as where a record holds noise that torch did not draw.
    """
    tolerance = 1e-2 if ptu.products == "float32" else 1e-1
    leaves = pytree.tree_leaves(expected)
    sizes = [float(leaf.detach().abs().max()) if leaf.numel() else 0.0 for leaf in leaves]
    for one, other, size in zip(pytree.tree_leaves(found), leaves, sizes, strict=True):
        room = tolerance * size + (1e-6 if other.ndim else 1e-3) * max(sizes)
        if not torch.allclose(one.double(), other.double(), rtol=0, atol=room, equal_nan=True):
            raise CannotCompileError("its results are not the same when it is called again")


def check_changes(found: Sequence[Tensor], expected: Sequence[Tensor]) -> None:
    """Compare by how much a compiled function and the function itself changed a group of tensors.

    An optimizer makes a full step of a gradient that is rounding and nothing else, in whichever
    direction. So it is the distance of all changes together that counts, in parts of their length.

    Raises:
        CannotCompileError: they differ by more than a tenth, or a third with products of bfloat16.
    """
    tolerance = 0.1 if ptu.products == "float32" else 1 / 3
    distance = _length([one - other for one, other in zip(found, expected, strict=True)])
    if not distance <= tolerance * _length(expected):
        raise CannotCompileError("it does not change the same tensors by the same amounts")


def _length(tensors: Sequence[Tensor]) -> float:
    return math.hypot(*(float(torch.linalg.vector_norm(tensor.double())) for tensor in tensors))


def _outcome(
    function: Callable[..., Any],
    inputs: Sequence[Tensor | None],
    without_effect: WithoutEffect,
) -> tuple[Any, list[list[Tensor]]]:
    """What a function returns, and by how much it changed the groups of `without_effect`."""
    with _random_state_kept(inputs), without_effect() as groups:
        groups = [[tensor.detach() for tensor in group] for group in groups or ()]
        before = [[tensor.clone() for tensor in group] for group in groups]
        result = function(*inputs)
        changes = [
            [tensor - old for tensor, old in zip(group, olds, strict=True)]
            for group, olds in zip(groups, before, strict=True)
        ]
    return result, changes


@contextlib.contextmanager
def _random_state_kept(inputs: Sequence[Tensor | None]) -> Iterator[None]:
    devices = {value.device for value in inputs if value is not None and value.is_cuda}
    with torch.random.fork_rng(devices=devices):
        yield
