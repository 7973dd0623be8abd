"""A function as the record of the operations that it makes, compiled as far as it can be.

A record falls into two parts. Its head is compiled: what it computes from inputs and parameters,
and, on a CPU, what it changes in place, parameters and an optimizer's state. Where the compiler has
no code of its own for such changes, they make the tail: the very operations that an eager step
makes, called one after the other.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.utils._pytree as pytree
from torch import Tensor, fx
from torch.utils._python_dispatch import TorchDispatchMode

import hw.infrastructure.pytorch_util as ptu
from hw.infrastructure.cpu_rewrites import rewrite_for_cpu
from hw.infrastructure.inductor import compile_graph

# Changes in place that the compiler has code for. A fused optimizer's step is not among them.
COMPILED_CHANGES = {
    "copy_",
    *("add_", "sub_", "mul_", "div_", "lerp_", "addcmul_", "addcdiv_"),
    *("_foreach_add_", "_foreach_mul_", "_foreach_lerp_"),
}


class CannotCompileError(Exception):
    """Why a record cannot stand for the function that it was made of."""


class CompiledRecord:
    """A function as the graph of what it does to inputs like these.

    Args:
        function: of tensors and None.
        inputs: tensors, and None where a later call has None too.
        without_tail: refuse what has one.

    Raises:
        CannotCompileError: the record would not stand for the function at the next call.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        inputs: Sequence[Tensor | None],
        without_tail: bool = False,
    ):
        self.is_given = [value is not None for value in inputs]
        graph = record(function, inputs)
        if ptu.device.type == "cpu":
            rewrite_for_cpu(graph)
        parts = Parts(graph)
        if without_tail and parts.has_tail:
            raise CannotCompileError("it changes tensors in ways that are not compiled")
        self.constants = parts.constants
        self.tail = parts.tail.forward
        self.head = compile_graph(parts.head, [*self.constants, *_given(inputs)])

    def __call__(self, *inputs: Tensor | None) -> Any:
        """What the function returns for these inputs, after having done to its tensors the same."""
        with torch.no_grad():
            values = self.head(*self.constants, *_given(inputs))
            return self.tail(*self.constants, *values)


def _given(inputs: Sequence[Tensor | None]) -> list[Tensor]:
    return [value for value in inputs if value is not None]


def record(function: Callable[..., Any], inputs: Sequence[Tensor | None]) -> fx.GraphModule:
    """Run a function once and write down its operations.

    Raises:
        CannotCompileError: it turned a tensor into a Python number, which would never change again.
    """
    # Imported here because it takes a second, which an eager run should not pay.
    from torch.fx.experimental.proxy_tensor import make_fx

    def with_tensors(*tensors: Tensor) -> Any:
        given = iter(tensors)
        with NoNumbersOutOfTensors():
            return function(*(None if value is None else next(given) for value in inputs))

    return make_fx(with_tensors, tracing_mode="real")(*_given(inputs))


class NoNumbersOutOfTensors(TorchDispatchMode):
    """Within it, `.item()` and its like raise a CannotCompileError."""

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        """Called for every operation."""
        if operation is torch.ops.aten._local_scalar_dense.default:
            raise CannotCompileError("it turns a tensor into a number (.item(), bool(), float())")
        return operation(*args, **(kwargs or {}))


class Parts:
    """A recorded graph as its head and its tail.

    The tail begins where a tensor that is neither an input nor made by the record is changed in
    place; what depends on such a change belongs to it, and everything else to the head. If the
    compiler has code for all such changes, the tail does nothing but put the results in order.

    Args:
        graph: from `record`.

    Attributes:
        constants: such tensors, which keep their values from call to call.
        head: (*constants, *inputs) -> the values that the tail asks for.
        tail: (*constants, *values) -> the results.
        has_tail: whether it does more than to put them in order.

    Raises:
        CannotCompileError: an input is changed, or the tail draws random numbers.
    """

    def __init__(self, graph: fx.GraphModule):
        nodes = [node for node in graph.graph.nodes if not _is_profiling(node)]
        self.tensors = {n: getattr(graph, n.target) for n in nodes if n.op == "get_attr"}
        unique = {id(tensor): tensor for tensor in self.tensors.values()}
        self.constants = [tensor.detach() for tensor in unique.values()]
        self.numbers = {key: i for i, key in enumerate(unique)}
        (output,) = (node for node in nodes if node.op == "output")
        (results,) = output.args
        calls = [node for node in nodes if node.op == "call_function"]
        in_tail = self._find_tail(calls)
        self.has_tail = bool(in_tail)
        inputs = [node for node in nodes if node.op == "placeholder"]
        tail_calls = [node for node in calls if node in in_tail]
        needed = [node for call in [*tail_calls, output] for node in call.all_input_nodes]
        made_here = in_tail | set(self.tensors)
        passed = [node for node in dict.fromkeys(needed) if node not in made_here]
        head_calls = [node for node in calls if node not in in_tail]
        self.head = self._make(inputs, head_calls, tuple(passed))
        self.tail = self._make(passed, tail_calls, results)

    def _find_tail(self, calls: Sequence[fx.Node]) -> set[fx.Node]:
        """The calls that change constants, and those that depend on such a change."""
        changed: set[int] = set()
        changes: list[fx.Node] = []
        roots: dict[fx.Node, int] = {n: _storage(tensor) for n, tensor in self.tensors.items()}
        tail: set[fx.Node] = set()
        for call in calls:
            written = _arguments(call, is_written=True)
            if any(node.op == "placeholder" for node in written):
                raise CannotCompileError("it changes an input in place")
            read = call.all_input_nodes
            changed_here = {roots[node] for node in written if node in roots}
            depends = any(node in tail or roots.get(node) in changed for node in read)
            if changed_here:
                changes.append(call)
            if changed_here or depends:
                tail.add(call)
            changed |= changed_here
            viewed = [roots[node] for node in _arguments(call, is_written=False) if node in roots]
            if viewed:
                roots[call] = viewed[0]
        if all(_name(change) in COMPILED_CHANGES for change in changes):
            return set()
        if any(
            torch.Tag.nondeterministic_seeded in getattr(call.target, "tags", ()) for call in tail
        ):
            raise CannotCompileError("it draws random numbers after a change in place")
        return tail

    def _make(
        self, inputs: Sequence[fx.Node], calls: Sequence[fx.Node], results: Any
    ) -> fx.GraphModule:
        """The graph (*constants, *inputs) -> results."""
        graph = fx.Graph()
        constants = [graph.placeholder(f"constant_{i}") for i in range(len(self.constants))]
        found = {node: constants[self.numbers[id(tensor)]] for node, tensor in self.tensors.items()}
        for i, node in enumerate(inputs):
            found[node] = graph.placeholder(f"input_{i}")
        for node in calls:
            found[node] = graph.node_copy(node, found.__getitem__)
        graph.output(fx.map_arg(results, found.__getitem__))
        for node in graph.nodes:
            node.meta.clear()
        return fx.GraphModule(torch.nn.Module(), graph)


def _name(call: fx.Node) -> str:
    """Of the operation, without its namespace and overload."""
    return call.target._schema.name.split("::")[-1]


def _is_profiling(node: fx.Node) -> bool:
    return getattr(node.target, "namespace", None) == "profiler"


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _arguments(call: fx.Node, is_written: bool) -> list[fx.Node]:
    """The nodes that a call writes to, or of which its result is a view."""
    schema = getattr(call.target, "_schema", None)
    if schema is None:  # getitem, of what an operation returned
        return []
    found: list[fx.Node] = []
    for argument, value in zip(schema.arguments, call.args, strict=False):
        info = argument.alias_info
        if info is not None and info.is_write == is_written:
            found += [n for n in pytree.tree_leaves(value) if isinstance(n, fx.Node)]
    return found
