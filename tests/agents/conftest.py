"""What the tests of several agents share."""

from functools import partial

import pytest
import torch
from torch._inductor import ir

from hw.infrastructure import compiled_record


@pytest.fixture(params=["recorded", pytest.param("inductor", marks=pytest.mark.slow)])
def compiled(request, monkeypatch):
    """A list that grows by one with each graph compiled; `recorded` ones run as they are.

    The compiler warns of operations that compiled code calls by a slow way: there must be none.
    """
    graphs, compile_graph = [], compiled_record.compile_graph
    warnings: list[tuple[object, ...]] = []
    monkeypatch.setattr(ir.log, "warning", lambda *args: warnings.append(args))

    def note(graph, inputs):
        graphs.append(graph)
        return graph if request.param == "recorded" else compile_graph(graph, inputs)

    monkeypatch.setattr(compiled_record, "compile_graph", note)
    yield graphs
    assert not warnings


@pytest.fixture
def fused_adam():
    """Adam as the configs make it: its whole step can be recorded."""
    return partial(torch.optim.Adam, fused=True)
