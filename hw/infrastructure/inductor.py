"""PyTorch's compiler of graphs, inductor, as it is used here."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx

import hw.infrastructure.pytorch_util as ptu

# Elements that a sum is written out for, such as two critics' values.
MOST_UNROLLED = 3


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

    These serve gradients, aliases and subclasses of tensors. For a graph of plain tensors without
    gradient they do nothing, in some 20 microseconds a call. Where they change the number of inputs
    or results, they stay.
    """
    import torch._functorch.config as functorch_config
    from torch._inductor.compile_fx import compile_fx, compile_fx_inner

    made = []

    def remember(kernels: Any, inner_graph: fx.GraphModule, inner_inputs: Sequence[Any]) -> Any:
        made.append((kernels.current_callable, len(inner_inputs), count_results(inner_graph)))
        return kernels

    num_results = count_results(graph)
    with functorch_config.patch(enable_autograd_cache=False):  # from which nothing is remembered
        wrapped = compile_fx(
            graph,
            inputs,
            inner_compile=lambda *arguments, **options: remember(
                compile_fx_inner(*arguments, **options), *arguments
            ),
        )
    if [counts for _, *counts in made] != [[len(inputs), num_results]]:
        return wrapped
    ((kernels, *_),) = made
    return lambda *tensors: kernels(list(tensors))


def count_results(graph: fx.GraphModule) -> int:
    """How many results a graph has, which are a flat tuple."""
    (output,) = (node for node in graph.graph.nodes if node.op == "output")
    return len(output.args[0])
