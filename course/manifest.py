"""An assignment as its `assignment.yaml` states it."""

from functools import cached_property
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hw.homework.public_tests import split_name
from hw.infrastructure.errors import UserError

ASSIGNMENTS = Path("course/assignments")


class Todo(BaseModel):
    """A method that students write.

    Args:
        method: its full name, `hw.module.Class.method` or `hw.module.function`.
        points: what it counts.
        needs: names of TODOs of this assignment that its probes or a run of it call.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str
    points: int = Field(gt=0)
    needs: list[str] = []

    @property
    def name(self) -> str:
        """`Class.method`, or `function`."""
        return ".".join(split_name(self.method)[1:])

    @property
    def file(self) -> Path:
        """The source file that holds it."""
        return Path(*split_name(self.method)[0].split(".")).with_suffix(".py")


class Assignment(BaseModel):
    """One homework.

    Args:
        id: its folder's name; ids sort in the order of the course.
        title: for people.
        brings: globs of files that a student has from this assignment on, and not before.
        todos: what is blank, in the order in which to solve it.
        experiments: what a student runs and hands in, as paths of YAML files.
        integration_points: what training with all TODOs together counts.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    title: str
    brings: list[str]
    todos: list[Todo]
    experiments: list[str]
    integration_points: int = Field(ge=0)

    @cached_property
    def todos_by_name(self) -> dict[str, Todo]:
        """The TODOs by their name within the assignment."""
        return {todo.name: todo for todo in self.todos}

    def todo_id(self, todo: Todo) -> str:
        """A TODO's name in the whole course."""
        return f"{self.id}.{todo.name}"

    @property
    def folder(self) -> Path:
        """Where everything about it stands."""
        return ASSIGNMENTS / self.id


def load_assignment(assignment_id: str, root: Path = Path(".")) -> Assignment:
    """Read an assignment's manifest.

    Raises:
        UserError: there is no such assignment, or its manifest is wrong.
    """
    path = root / ASSIGNMENTS / assignment_id / "assignment.yaml"
    known = assignment_ids(root)
    if assignment_id not in known:
        raise UserError(f"unknown assignment {assignment_id!r}; choose from {', '.join(known)}")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        assignment = Assignment(id=assignment_id, **content)
    except (ValidationError, TypeError, yaml.YAMLError) as error:
        raise UserError(f"{path}: {error}") from error
    _check(assignment, path)
    return assignment


def load_course(root: Path = Path(".")) -> list[Assignment]:
    """All assignments in their order.

    Raises:
        UserError: a manifest is wrong, or a method is a TODO of two assignments.
    """
    course = [load_assignment(name, root) for name in assignment_ids(root)]
    owners: dict[str, str] = {}
    for assignment in course:
        for todo in assignment.todos:
            owner = owners.setdefault(todo.method, assignment.id)
            if owner != assignment.id:
                raise UserError(f"{todo.method} is a TODO of {owner} and of {assignment.id}")
    return course


def assignment_ids(root: Path = Path(".")) -> list[str]:
    """The ids of all assignments, in the order of the course."""
    return sorted(path.parent.name for path in (root / ASSIGNMENTS).glob("*/assignment.yaml"))


def _check(assignment: Assignment, path: Path) -> None:
    if len(assignment.todos_by_name) != len(assignment.todos):
        raise UserError(f"{path}: two TODOs of one name")
    for todo in assignment.todos:
        for name in todo.needs:
            if name not in assignment.todos_by_name or name == todo.name:
                raise UserError(f"{path}: {todo.name} needs {name}, which is no other TODO of it")
    points = sum(todo.points for todo in assignment.todos) + assignment.integration_points
    if points != 100:
        raise UserError(f"{path}: the points add up to {points}, not 100")
