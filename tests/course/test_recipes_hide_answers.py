"""No recipe holds an answer in the process in which a student's method runs.

Each is run with the reference, which is watched: all numbers that the method could read when it
begins are compared with what it returns in the end, and with what it hands to stand-ins and gets
from them. What is reachable from its own arguments is no secret.
"""

import gc
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from types import CodeType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import pytest
from torch import Tensor, nn

from course.manifest import load_course
from course.probe import load_probes, load_recipes
from hw.homework.public_tests import split_name
from hw.homework.recipe import Inputs, Outputs, Recipe, StandIn, masks_of, run_recipe, to_array

TODOS = {course.todo_id(todo): todo for course in load_course() for todo in course.todos}
SEED = 3
CODE = (type, FunctionType, MethodType, ModuleType)


class Watch:
    """Runs a recipe, and notes what its method could read and what passed through stand-ins.

    Args:
        method: the code of the method.
        recipes_file: whose functions are stand-ins where the method calls them.
    """

    def __init__(self, method: CodeType, recipes_file: str):
        self.method, self.recipes_file = method, recipes_file
        self.is_called = False
        self.own: list[np.ndarray] = []
        self.others: list[np.ndarray] = []
        self.given: dict[str, list[np.ndarray]] = {}
        self.passed: list[tuple[str, np.ndarray]] = []

    def leaks(self, recipe: Recipe, inputs: dict[str, Any]) -> list[str]:
        """Names of the answers that the method could read."""
        gc.freeze()  # what is older is not of this run
        sys.setprofile(self._see)
        try:
            outputs = run_recipe(recipe, inputs)
        finally:
            sys.setprofile(None)
            gc.unfreeze()
        assert self.is_called
        # What is given call by call may be returned together.
        together = [np.concatenate([a.ravel() for a in arrays]) for arrays in self.given.values()]
        own = sum(self.given.values(), self.own + together)
        answers = [(k, v) for k, v in outputs.items() if not k.startswith("after.")] + self.passed
        found = {
            name
            for name, answer in answers
            if is_telling(answer)
            and any(is_same(answer, array) for array in self.others)
            and not any(is_same(answer, array.ravel()[: answer.size]) for array in own)
        }
        return sorted(found)

    def _see(self, frame: FrameType, event: str, result: Any) -> None:
        if event == "call" and frame.f_code is self.method:
            if not self.is_called:
                self.is_called = True
                self.own = reachable(arguments(frame))
                self.others = readable(frame.f_back)
            for name, value in arguments(frame).items():
                if arrays := reachable(value, through_objects=False):
                    self.given.setdefault(name, []).extend(arrays)
        elif event in ("call", "return") and self._is_stand_in(frame):
            found = arguments(frame) if event == "call" else {"result": result}
            for name, value in found.items():
                arrays = reachable(value, through_objects=False)
                self.passed += [(f"{frame.f_code.co_name}: {name}", array) for array in arrays]

    def _is_stand_in(self, frame: FrameType) -> bool:
        is_ours = frame.f_code.co_filename == self.recipes_file
        return is_ours and any(caller.f_code is self.method for caller in callers(frame))


def arguments(frame: FrameType) -> dict[str, Any]:
    """What a function was called with."""
    names, star, star_star, values = inspect.getargvalues(frame)
    return {name: values[name] for name in (*names, star, star_star) if name is not None}


def callers(frame: FrameType) -> Iterator[FrameType]:
    """The frames that a frame was called from."""
    while (frame := frame.f_back) is not None:
        yield frame


def reachable(value: Any, through_objects: bool = True) -> list[np.ndarray]:
    """The numbers in a value, in containers and in objects' attributes, but not in closures."""
    found, seen, values = [], set(), [value]
    while values:
        value = values.pop()
        if id(value) in seen or isinstance(value, CODE):
            continue
        seen.add(id(value))
        if (array := numbers_of(value)) is not None:
            found.append(array)
        elif isinstance(value, dict):
            values += value.values()
        elif isinstance(value, list | tuple):
            values += value
        elif through_objects and (isinstance(value, nn.Module) or not callable(value)):
            values += getattr(value, "__dict__", {}).values()
    return found


def readable(frame: FrameType) -> list[np.ndarray]:
    """The numbers that code called from a frame can find: in all objects and local variables."""
    values = gc.get_objects()
    for caller in (frame, *callers(frame)):
        values += caller.f_locals.values()
        if caller.f_code is run_recipe.__code__:
            break
    found, seen = [], set()
    while values:
        value = values.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if (array := numbers_of(value)) is not None:
            found.append(array)
        else:
            # Not all containers are tracked, and none that is older than this run.
            kinds = np.ndarray | Tensor | dict | list | tuple
            values += [part for part in gc.get_referents(value) if isinstance(part, kinds)]
    return found


def numbers_of(value: Any) -> np.ndarray | None:
    """A copy of a tensor, array or list of numbers; None of anything else."""
    if isinstance(value, list) and value and all(isinstance(item, int | float) for item in value):
        return np.array(value, np.float64)
    if isinstance(value, Tensor) or (isinstance(value, np.ndarray) and value.dtype.kind in "biuf"):
        return to_array("", value)
    return None


def is_telling(array: np.ndarray) -> bool:
    """Whether others would hardly have the same numbers by chance."""
    if array.dtype.kind == "f" and array.size <= 3:
        return array.size > 0 and np.isfinite(array).all() and (100 * array % 1 != 0).all()
    return array.dtype.kind in "iuf" and array.size > 3 and np.ptp(array) > 0


def is_same(answer: np.ndarray, array: np.ndarray) -> bool:
    """Whether two arrays hold the same numbers but for the sign, in whatever shape."""
    if answer.size != array.size or array.dtype.kind not in "iuf":
        return False
    answer, array = answer.ravel().astype(np.float64), array.ravel().astype(np.float64)
    return any(np.allclose(answer, sign * array, 1e-6, 1e-9, equal_nan=True) for sign in (1, -1))


@pytest.mark.parametrize("todo_id", TODOS)
def test_no_answer_can_be_read(todo_id):
    todo, assignment = TODOS[todo_id], todo_id.partition(".")[0]
    module, *names = split_name(todo.method)
    method = importlib.import_module(module)
    for name in names:
        method = getattr(method, name)
    recipe = load_recipes(assignment)[todo.name]
    for case in load_probes(assignment)[todo.name].cases(SEED):
        watch = Watch(inspect.unwrap(method).__code__, recipe.__code__.co_filename)
        assert watch.leaks(recipe, case.inputs) == [], case.name


X = np.array([1.05, 2.05, 3.05, 4.15], np.float32)


def squared_twice(x: Tensor, square: Callable[[Tensor], Tensor]) -> Tensor:
    return 2.0 * square(x + 1.0)


def honest(inputs: Inputs) -> Outputs:
    return {"y": squared_twice(inputs.tensor("x"), lambda x: x**2)}


def masked(inputs: Inputs) -> Outputs:
    square = StandIn(inputs, "square")
    return {"y": squared_twice(inputs.tensor("x"), lambda x: square({"x": x}))}


def leaky(inputs: Inputs) -> Outputs:
    result = (inputs.tensor("x") + 1.0) ** 2
    return {"y": squared_twice(inputs.tensor("x"), lambda x: result)}


@pytest.mark.parametrize(
    ("recipe", "inputs", "leaks"),
    [
        (honest, {}, []),
        (honest, {"known": X}, []),
        (honest, {"known": np.zeros(4, np.float32)}, []),
        (honest, {"known": 2.0 * (X + 1.0) ** 2}, ["y"]),
        (honest, {"known": [float(x) for x in -2.0 * (X + 1.0) ** 2]}, ["y"]),
        (honest, {"known": (X + 1.0)[:, None]}, ["<lambda>: x"]),
        (masked, masks_of("square", {"x": X + 1.0}, (X + 1.0) ** 2), []),
        (leaky, {}, ["<lambda>: result"]),
    ],
)
def test_an_answer_is_found_wherever_it_stands(recipe, inputs, leaks):
    watch = Watch(squared_twice.__code__, __file__)
    assert watch.leaks(recipe, {"x": X} | inputs) == leaks
