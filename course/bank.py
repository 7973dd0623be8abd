"""The bank beside each TODO: mistakes that students make, and other solutions that are right."""

import importlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Misconception:
    """A mistake with a name.

    Args:
        todo: the TODO's name within the assignment, such as `SoftActorCritic.critic_loss`.
        name: short, unique within the TODO: "bootstraps through termination".
        hint: a sentence or two for the student, which lead to the mistake but hold no solution.
        body: the statements in place of the reference's, as they stand in the file but for the
            indentation.
    """

    todo: str
    name: str
    hint: str
    body: str


@dataclass(frozen=True)
class Variant:
    """A correct solution that is written otherwise.

    Args:
        todo: the TODO's name within the assignment.
        name: what is different: "a loop", "float64".
        body: as for `Misconception`.
    """

    todo: str
    name: str
    body: str


def load_misconceptions(assignment: str) -> list[Misconception]:
    """The misconceptions of an assignment."""
    module = importlib.import_module(f"course.assignments.{assignment}.misconceptions")
    return module.MISCONCEPTIONS


def load_variants(assignment: str) -> list[Variant]:
    """The variants of an assignment."""
    return importlib.import_module(f"course.assignments.{assignment}.variants").VARIANTS
