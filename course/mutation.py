"""The score matrix: whether each misconception loses points at its own TODO and nowhere else.

Every mutant runs in a process forked from one that has imported torch and none of `hw`, so that
what it changes is gone with it.
"""

import argparse
import importlib.abc
import importlib.util
import multiprocessing
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium  # noqa: F401
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
SEEDS = (0, 1)
SECONDS = 60


class SourceOf(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from a source text of its own.

    Args:
        name: of the module.
        path: where it stands, for tracebacks.
        source: the text.
    """

    def __init__(self, name: str, path: Path, source: str):
        self.name, self.path, self.source = name, path, source

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        """The module's specification, if it is this one."""
        if fullname == self.name:
            return importlib.util.spec_from_loader(fullname, self, origin=str(self.path))
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Run the text."""
        exec(compile(self.source, str(self.path), "exec"), module.__dict__)


def run_all(assignment: str, todo_name: str | None, body: str, todos: list[str] | None, queue):
    """In a child: the outputs of every case of the TODOs, with one body replaced."""
    torch.set_num_threads(1)
    from course.handout.blanking import with_body
    from course.manifest import load_assignment
    from hw.homework.public_tests import split_name

    found = load_assignment(assignment, ROOT)
    if todo_name is not None:
        todo = found.todos_by_name[todo_name]
        source = (ROOT / todo.file).read_text(encoding="utf-8")
        module_name = split_name(todo.method)[0]
        sys.modules.pop(module_name, None)
        changed = with_body(source, todo_name, body)
        sys.meta_path.insert(0, SourceOf(module_name, ROOT / todo.file, changed))
    from course.probe import load_probes, load_recipes
    from hw.homework.recipe import run_recipe

    probes, recipes = load_probes(assignment), load_recipes(assignment)
    outputs: dict[tuple[str, int, str], Any] = {}
    for name in todos or list(found.todos_by_name):
        for seed in SEEDS:
            for case in probes[name].cases(seed):
                try:
                    outputs[name, seed, case.name] = run_recipe(recipes[name], case.inputs)
                except Exception as error:
                    outputs[name, seed, case.name] = f"{type(error).__name__}: {error}"
    queue.put(outputs)


def outputs_of(assignment: str, todo: str | None = None, body: str = "", todos=None) -> dict | str:
    """What a mutant gives, from a process of its own; or why there is nothing."""
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=run_all, args=(assignment, todo, body, todos, queue))
    child.start()
    deadline = time.monotonic() + SECONDS
    while queue.empty() and child.is_alive() and time.monotonic() < deadline:
        time.sleep(0.002)
    outputs = "crash or timeout" if queue.empty() else queue.get()
    child.kill()
    child.join()
    return outputs


def first_differences(probes: dict, expected: dict, found: dict | str) -> dict[str, str]:
    """The first difference at each TODO that has one, in words."""
    from hw.homework.comparison import compare_all

    if isinstance(found, str):
        return {"*": found}
    differences: dict[str, str] = {}
    for key, outputs in found.items():
        name, _, case = key
        if name in differences:
            continue
        if isinstance(outputs, str):
            differences[name] = f"{case}: {outputs}"
            continue
        difference = compare_all(outputs, expected[key], probes[name].rtol, probes[name].atol)
        if difference is not None:
            differences[name] = f"{case}: {difference.name} {difference.summary}"
    return differences


def score(assignment: str, is_quick: bool) -> bool:
    """Print the matrix of an assignment; returns whether every entry is as it should be."""
    expected = outputs_of(assignment)
    # Only now, so that the children have imported nothing of it.
    children = []
    from course.bank import Misconception, load_misconceptions, load_variants

    bank = [*load_variants(assignment), *load_misconceptions(assignment)]
    for entry in bank:
        todos = [entry.todo] if is_quick else None
        children.append(outputs_of(assignment, entry.todo, entry.body, todos))
    from course.probe import load_probes

    probes = load_probes(assignment)
    wrong = [key for key, value in expected.items() if isinstance(value, str)]
    for key in wrong:
        print(f"FAIL reference {key}: {expected[key]}")
    is_right = not wrong
    for entry, found in zip(bank, children, strict=True):
        differences = first_differences(probes, expected, found)
        is_wrong = isinstance(entry, Misconception)
        as_due = set(differences) == ({entry.todo} if is_wrong else set())
        is_right &= as_due
        kind = "misconception" if is_wrong else "variant"
        details = "; ".join(f"{name}: {text}" for name, text in differences.items()) or "passes"
        print(
            f"{'ok  ' if as_due else 'FAIL'} {kind} {entry.todo}, {entry.name} -> {details[:180]}"
        )
    return is_right


def main(arguments: Sequence[str]) -> int:
    """Print the matrix; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("assignment")
    parser.add_argument("--quick", action="store_true", help="run each at its own TODO only")
    args = parser.parse_args(arguments)
    return 0 if score(args.assignment, args.quick) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
