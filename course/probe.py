"""Probes: what is tried of each TODO, publicly and secretly.

A probe is a recipe (`recipes.py`, which students have too) with the cases to run it on and the
tolerances to compare with (`probes.py`, which they have not). The expected outputs are not written
down anywhere: they are what the recipe gives for the reference.
"""

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class ProbeCase:
    """Inputs of one case.

    Args:
        name: what is tried, in words that a student may read.
        inputs: arrays, numbers and strings, for `Inputs`.
        is_hidden: graded only, and never shown.
    """

    name: str
    inputs: dict[str, Any]
    is_hidden: bool = False


@dataclass(frozen=True)
class Probe:
    """What is tried of one TODO.

    Args:
        todo: its name within the assignment, such as `SoftActorCritic.critic_loss`.
        make_cases: draws the cases; the same generator state gives the same cases.
        quantities: what each output of the recipe is, in words.
        rtol, atol: tolerances.
    """

    todo: str
    make_cases: Callable[[np.random.RandomState], Iterator[ProbeCase]]
    quantities: dict[str, str]
    rtol: float
    atol: float

    def cases(self, seed: int) -> list[ProbeCase]:
        """All cases, drawn from a seed."""
        cases = list(self.make_cases(np.random.RandomState(seed)))
        names = [case.name for case in cases]
        assert len(set(names)) == len(names), f"{self.todo}: two cases of one name"
        return cases


def probe(
    todo: str, *, rtol: float = 1e-4, atol: float = 1e-5, **quantities: str
) -> Callable[[Callable[[np.random.RandomState], Iterator[ProbeCase]]], Probe]:
    """Make a probe of a function that draws its cases."""
    return lambda make_cases: Probe(todo, make_cases, quantities, rtol, atol)


def load_probes(assignment: str) -> dict[str, Probe]:
    """The probes of an assignment by the TODO's name."""
    module = importlib.import_module(f"course.assignments.{assignment}.probes")
    found = [value for value in vars(module).values() if isinstance(value, Probe)]
    probes = {probe.todo: probe for probe in found}
    assert len(probes) == len(found), f"{assignment}: two probes of one TODO"
    return probes


def load_recipes(assignment: str) -> dict[str, Callable[..., Any]]:
    """The recipes of an assignment by the TODO's name."""
    return importlib.import_module(f"course.assignments.{assignment}.recipes").RECIPES
