"""Functions of tensors on a GPU as CUDA graphs: one launch instead of one for each kernel."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.utils._pytree as pytree
from torch import Tensor

NUM_WARM_UPS = 3


class GraphedFunction:
    """A function whose kernels were captured once and are launched together from then on.

    Each call copies its inputs to where the graph reads them, and its results from where the graph
    will write the next ones.

    Args:
        function: of tensors and None, returning tensors; it must not wait for the device, and runs
            a few times here.
        inputs: on the device, and None where a later call has None too.
    """

    def __init__(self, function: Callable[..., Any], inputs: Sequence[Tensor | None]):
        self.function = function  # the graph runs its kernels and reads its constants
        self.inputs = [None if value is None else value.clone() for value in inputs]
        self.given = [value for value in self.inputs if value is not None]
        self.replay, results = capture(lambda: function(*self.inputs), self.given[0].device)
        self.results, self.structure = pytree.tree_flatten(results)

    @torch.no_grad()
    def __call__(self, *inputs: Tensor | None) -> Any:
        """What the function returns for these inputs, after having done to its tensors the same."""
        torch._foreach_copy_(self.given, [value for value in inputs if value is not None])
        self.replay()
        results = [torch.empty_like(value) for value in self.results]
        torch._foreach_copy_(results, self.results)
        return pytree.tree_unflatten(results, self.structure)


def is_on_gpu(inputs: Sequence[Tensor | None]) -> bool:
    """Whether there are tensors among the inputs, all of them on one GPU."""
    devices = {value.device for value in inputs if value is not None}
    return len(devices) == 1 and devices.pop().type == "cuda"


def capture(function: Callable[[], Any], device: torch.device) -> tuple[Callable[[], None], Any]:
    """Capture what a function launches on the device.

    Random numbers are those that calls of the function would have drawn: a replay advances the
    device's generator as they would.

    Returns:
        what launches it again, and the results, which it overwrites.
    """
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        for _ in range(NUM_WARM_UPS):  # libraries allocate, and kernels are tuned, in first calls
            function()
    current = torch.cuda.current_stream(device)
    current.wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.device(device), torch.cuda.graph(graph):
            results = function()
    finally:
        torch.cuda.set_stream(current)  # which a capture that failed leaves behind
    return graph.replay, results
