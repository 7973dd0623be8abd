"""Running the same functions as compiled graphs.

A function of tensors is run once to record the tensor operations that it makes, gradients and the
optimizer's step included, and the record is compiled. What is compiled is therefore whatever the
function does, and eager and compiled runs share every line of an algorithm. Numbers drawn at random
come from the same generator in both. On a GPU all of it is launched at once, as a CUDA graph.

A record falls into two parts. Its head is compiled: what it computes from inputs and parameters,
and, on a CPU, what it changes in place, parameters and an optimizer's state. Where the compiler has
no code of its own for such changes, they make the tail: the very operations that an eager step
makes, called one after the other.
"""

import contextlib
import logging
import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

import torch
import torch.utils._pytree as pytree
from torch import Tensor, fx
from torch.utils._python_dispatch import TorchDispatchMode

import hw.infrastructure.pytorch_util as ptu
from hw.infrastructure.cpu_rewrites import rewrite_for_cpu
from hw.infrastructure.cuda_graph import GraphedFunction, is_on_gpu

logger = logging.getLogger(__name__)

# Elements that a sum is written out for, such as two critics' values.
MOST_UNROLLED = 3
# Changes in place that the compiler has code for. A fused optimizer's step is not among them.
COMPILED_CHANGES = {
    "copy_",
    *("add_", "sub_", "mul_", "div_", "lerp_", "addcmul_", "addcdiv_"),
    *("_foreach_add_", "_foreach_mul_", "_foreach_lerp_"),
}

WithoutEffect = Callable[[], contextlib.AbstractContextManager[Sequence[Sequence[Tensor]] | None]]


class CannotCompileError(Exception):
    """Why a record cannot stand for the function that it was made of."""


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

    @torch.no_grad()
    def __call__(self, *inputs: Tensor | None) -> Any:
        """What the function returns for these inputs, after having done to its tensors the same."""
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


def compile_graph(graph: fx.GraphModule, inputs: list[Tensor]) -> Callable[..., Sequence[Tensor]]:
    """Compile a graph, with a flat tuple of results, for inputs like these.

    On a CPU, kernels are called from C++ instead of Python. The compiler looks for no patterns,
    since it would put together again what `rewrite_for_cpu` has taken apart; and it unrolls no sum
    over more than a few elements, such as an action's, since it would compute them one by one.
    """
    import torch._inductor.config as inductor_config
    from torch._inductor.exc import CppCompileError, InductorError

    options = {"fallback_random": True, "size_asserts": False}
    if ptu.device.type == "cpu":
        options |= {
            "cpp_wrapper": True,
            "pattern_matcher": False,
            "unroll_reductions_threshold": MOST_UNROLLED,
        }
    with torch.no_grad(), inductor_config.patch(options):
        try:
            return compile_kernels(graph, inputs)
        except InductorError as error:
            # The C++ compiler may take the kernels but not the calls. And Ctrl-C stops it, too,
            # while a run goes on to the end of its step.
            if not isinstance(error.inner_exception, CppCompileError):
                raise
            with inductor_config.patch(cpp_wrapper=False):
                return compile_kernels(graph, inputs)


def compile_kernels(graph: fx.GraphModule, inputs: list[Tensor]) -> Callable[..., Sequence[Tensor]]:
    """What the compiler makes of a graph, called without the layers that it is wrapped in.

    These serve gradients, aliases and subclasses of tensors, take a third of the time of a small
    step, and do nothing for a graph of plain tensors without gradient. Where they change the number
    of inputs or results, they stay.
    """
    import torch._functorch.config as functorch_config
    from torch._inductor.compile_fx import compile_fx, compile_fx_inner

    made = []

    def remember(inner_graph: fx.GraphModule, example_inputs: Sequence[Any], **options: Any) -> Any:
        kernels = compile_fx_inner(inner_graph, example_inputs, **options)
        (output,) = (node for node in inner_graph.graph.nodes if node.op == "output")
        made.append((kernels.current_callable, len(example_inputs), len(output.args[0])))
        return kernels

    (output,) = (node for node in graph.graph.nodes if node.op == "output")
    counts = len(inputs), len(output.args[0])
    with functorch_config.patch(enable_autograd_cache=False):  # which would not call `remember`
        wrapped = compile_fx(graph, inputs, inner_compile=remember)
    if [made_counts for _, *made_counts in made] != [list(counts)]:
        return wrapped
    ((kernels, *_),) = made
    return lambda *tensors: kernels(list(tensors))


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
