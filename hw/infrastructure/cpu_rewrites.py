"""A recorded graph in other words that mean the same, and that a CPU gets through faster.

Results differ by rounding alone. What is faster was measured with the BLAS that PyTorch comes with
(MKL) and the kernels that its compiler generates.
"""

import math
from collections.abc import Container
from typing import Any

import torch
from torch import fx

aten = torch.ops.aten


def rewrite_for_cpu(graph: fx.GraphModule) -> None:
    """Rewrite a graph of `compiled_record.record` in place."""
    separate_biases(graph)
    separate_norms(graph)
    write_out_adam(graph)
    graph.recompile()


def separate_biases(graph: fx.GraphModule) -> None:
    """x w + b as a product and a sum.

    BLAS would copy the bias to where the product goes and add to it there, two passes over the
    result. A sum by itself costs nothing: it is compiled into the activation that follows. Products
    of bfloat16 are left alone, since the sum would round them once more.
    """
    products = {aten.addmm.default: aten.mm.default, aten.baddbmm.default: aten.bmm.default}
    for node in _calls(graph, products):
        if node.kwargs or node.meta["val"].dtype != torch.float32:
            continue
        bias, x, w = node.args
        with graph.graph.inserting_before(node):
            product = graph.graph.call_function(products[node.target], (x, w))
            total = graph.graph.call_function(aten.add.Tensor, (product, bias))
        node.replace_all_uses_with(total)
        graph.graph.erase_node(node)


def separate_norms(graph: fx.GraphModule) -> None:
    """2-norms of a list of tensors as one norm after the other.

    For the list the compiler has no kernel of its own, and calls PyTorch's by a slow way.
    """
    for node in _calls(graph, {aten._foreach_norm.Scalar}):
        if len(node.args) > 1 or node.kwargs:
            continue
        (tensors,) = node.args
        for item in list(node.users):
            _, i = item.args
            with graph.graph.inserting_before(item):
                norm = graph.graph.call_function(aten.linalg_vector_norm.default, (tensors[i],))
            item.replace_all_uses_with(norm)
            graph.graph.erase_node(item)
        graph.graph.erase_node(node)


def write_out_adam(graph: fx.GraphModule) -> None:
    """A fused step of Adam as the arithmetic that it is, tensor by tensor.

        m <- m + (1 - beta_1) (g - m),    v <- beta_2 v + (1 - beta_2) g^2
        p <- p - lr / (1 - beta_1^t) m / (sqrt(v) / sqrt(1 - beta_2^t) + epsilon)

    The fused kernel is called from Python, with lists of all tensors; this is compiled, each tensor
    with whatever is done to its gradient before. Variants (amsgrad, weight decay, maximising, other
    precisions) are left alone.

    Source: Kingma & Ba 2015, "Adam: A Method for Stochastic Optimization" (arXiv 1412.6980), alg. 1
    """
    for node in _calls(graph, {aten._fused_adam_.tensor_lr}):
        settings = node.kwargs
        is_plain = settings["weight_decay"] == 0 and not (
            settings["amsgrad"] or settings["maximize"] or settings.get("grad_scale") is not None
        )
        parameters, gradients, means, squares, _, steps = node.args
        tensors = [*parameters, *gradients, *means, *squares]
        if is_plain and all(_value(graph, x).dtype == torch.float32 for x in tensors):
            with graph.graph.inserting_before(node):
                _adam(graph.graph, parameters, gradients, means, squares, steps, settings)
            graph.graph.erase_node(node)


def _adam(
    graph: fx.Graph,
    parameters: list[fx.Node],
    gradients: list[fx.Node],
    means: list[fx.Node],
    squares: list[fx.Node],
    steps: list[fx.Node],
    settings: dict[str, Any],
) -> None:
    """Append Adam's arithmetic and its changes in place."""

    def call(operation: Any, *arguments: Any) -> fx.Node:
        return graph.call_function(operation, arguments)

    def to(value: fx.Node, dtype: torch.dtype) -> fx.Node:
        return graph.call_function(aten._to_copy.default, (value,), {"dtype": dtype})

    def bias_correction(beta: float) -> fx.Node:
        """1 - beta^t, with beta^t as an exponential, which is computed once and not at each use."""
        return call(aten.rsub.Scalar, call(aten.exp.default, call(mul, t, math.log(beta))), 1.0)

    add, mul, div, sqrt = aten.add.Tensor, aten.mul.Tensor, aten.div.Tensor, aten.sqrt.default
    beta_1, beta_2 = settings["beta1"], settings["beta2"]
    # Scalars of all tensors side by side, in the precision of the fused kernel's.
    t = to(call(aten.stack.default, steps), torch.float64)
    rates = to(call(div, settings["lr"], bias_correction(beta_1)), torch.float32)
    scales = to(call(sqrt, bias_correction(beta_2)), torch.float32)
    lists = zip(parameters, gradients, means, squares, strict=True)
    for i, (parameter, gradient, old_mean, old_square) in enumerate(lists):
        rate, scale = call(aten.select.int, rates, 0, i), call(aten.select.int, scales, 0, i)
        mean = call(aten.lerp.Scalar, old_mean, gradient, 1 - beta_1)
        gradient_square = call(mul, call(mul, gradient, gradient), 1 - beta_2)
        square = call(add, call(mul, old_square, beta_2), gradient_square)
        root = call(add, call(div, call(sqrt, square), scale), settings["eps"])
        step = call(div, call(mul, mean, rate), root)
        call(aten.copy_.default, old_mean, mean)
        call(aten.copy_.default, old_square, square)
        call(aten.copy_.default, parameter, call(aten.sub.Tensor, parameter, step))


def _value(graph: fx.GraphModule, node: fx.Node) -> torch.Tensor:
    """A node's tensor, or one like it."""
    return getattr(graph, node.target) if node.op == "get_attr" else node.meta["val"]


def _calls(graph: fx.GraphModule, operations: Container[object]) -> list[fx.Node]:
    return [
        node
        for node in graph.graph.nodes
        if node.op == "call_function" and node.target in operations
    ]
