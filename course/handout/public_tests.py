"""The tests that a hand-out carries: public cases, and what the reference gives for them."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory

from course.manifest import Assignment
from course.probe import load_probes, load_recipes
from hw.homework.cases import Case, save_cases
from hw.homework.recipe import run_recipe

PUBLIC_SEED = 0

HEAD = '''"""Public tests of {id}: what each method should give for the inputs in cases.json.

How each method is called stands in recipes.py.
"""

from pathlib import Path

import pytest
import recipes

from hw.homework.cases import load_cases
from hw.homework.public_tests import check

CASES = load_cases(Path(__file__).with_name("cases.json"))
'''
TEST = """

@pytest.mark.parametrize("case", CASES["{id}"], ids=str)
def test_{test_name}(case):
    check(case, recipes.RECIPES["{name}"])
"""


def make_public_tests(assignment: Assignment, root: Path) -> dict[Path, bytes]:
    """The files of the hand-out's `tests` folder."""
    folder = Path("tests")
    return {
        folder / "recipes.py": (root / assignment.folder / "recipes.py").read_bytes(),
        folder / f"test_{assignment.id}.py": make_test_file(assignment).encode(),
        folder / "cases.json": cases_file(assignment),
    }


def make_test_file(assignment: Assignment) -> str:
    """One test for each TODO."""
    tests = [
        TEST.format(
            id=assignment.todo_id(todo),
            test_name=re.sub(r"\W+", "_", todo.name),
            name=todo.name,
        )
        for todo in assignment.todos
    ]
    return HEAD.format(id=assignment.id) + "".join(tests)


def cases_file(assignment: Assignment) -> bytes:
    """The public cases of all TODOs, with the reference's outputs."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "cases.json")
        save_cases(path, public_cases(assignment))
        return path.read_bytes()


def public_cases(assignment: Assignment) -> list[Case]:
    """The public cases, in the order of the TODOs."""
    probes, recipes = load_probes(assignment.id), load_recipes(assignment.id)
    return [
        Case(
            todo=assignment.todo_id(todo),
            method=todo.method,
            name=case.name,
            inputs=case.inputs,
            expected=run_recipe(recipes[todo.name], case.inputs),
            quantities=probes[todo.name].quantities,
            rtol=probes[todo.name].rtol,
            atol=probes[todo.name].atol,
        )
        for todo in assignment.todos
        for case in probes[todo.name].cases(PUBLIC_SEED)
        if not case.is_hidden
    ]
