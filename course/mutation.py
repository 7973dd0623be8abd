"""The score matrix: whether each misconception loses points at its own TODO and nowhere else.

Every mutant runs in a process forked from one that has imported the libraries and none of `hw`, so
that what it changes is gone with it.
"""

import argparse
import contextlib
import gc
import importlib.abc
import importlib.util
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium  # noqa: F401
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from course.bank import Misconception, load_misconceptions, load_variants  # noqa: E402
from course.handout.blanking import with_body  # noqa: E402
from course.manifest import assignment_ids, load_assignment  # noqa: E402
from hw.homework.comparison import compare_all  # noqa: E402

OURS = ("hw", "course", "__main__", "__mp_main__")
SEEDS = (0, 1)
SECONDS = 300


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


@dataclass
class Child:
    """A process that computes outputs, and the pipe that they come through."""

    process: multiprocessing.Process
    outputs: Connection
    deadline: float


def start(assignment: str, todo: str | None, body: str, todos: Sequence[str] | None) -> Child:
    """Compute the outputs of a mutant, or of the reference, in a process of its own."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    changed = None if todo is None else changed_source(assignment, todo, body)
    process = context.Process(target=run_all, args=(assignment, todo, changed, todos, theirs))
    process.start()
    theirs.close()
    return Child(process, ours, time.monotonic() + SECONDS)


def changed_source(assignment_id: str, todo_name: str, body: str) -> str:
    """The text of a TODO's file with another body."""
    todo = load_assignment(assignment_id, ROOT).todos_by_name[todo_name]
    return with_body((ROOT / todo.file).read_text(encoding="utf-8"), todo_name, body)


def finish(child: Child) -> dict[str, Any] | str:
    """What a child has sent, once it has; or why there is nothing."""
    outputs: dict[str, Any] | str = "crash or time-out"
    if child.outputs.poll(max(0.0, child.deadline - time.monotonic())):
        with contextlib.suppress(EOFError):
            outputs = child.outputs.recv()
    child.process.kill()
    child.process.join()
    return outputs


def run_all(
    assignment_id: str,
    todo_name: str | None,
    changed: str | None,
    todos: Sequence[str] | None,
    pipe: Any,
) -> None:
    """In a child: every case's outputs and each probe's tolerances, with a TODO's file replaced."""
    torch.set_num_threads(1)
    from hw.homework.public_tests import split_name

    assignment = load_assignment(assignment_id, ROOT)
    if changed is not None:
        todo = assignment.todos_by_name[todo_name]
        module_name = split_name(todo.method)[0]
        sys.modules.pop(module_name, None)
        sys.meta_path.insert(0, SourceOf(module_name, ROOT / todo.file, changed))
    from course.probe import load_probes, load_recipes
    from hw.homework.recipe import run_recipe

    probes, recipes = load_probes(assignment_id), load_recipes(assignment_id)
    outputs: dict[tuple[str, int, str], Any] = {}
    for name in todos or list(assignment.todos_by_name):
        for seed in SEEDS:
            for case in probes[name].cases(seed):
                try:
                    outputs[name, seed, case.name] = run_recipe(recipes[name], case.inputs)
                except Exception as error:
                    outputs[name, seed, case.name] = f"{type(error).__name__}: {error}"
    tolerances = {name: (found.rtol, found.atol) for name, found in probes.items()}
    libraries = [name for name in sys.modules if name.partition(".")[0] not in OURS]
    pipe.send({"outputs": outputs, "tolerances": tolerances, "libraries": libraries})


def first_differences(expected: dict[str, Any], found: dict[str, Any] | str) -> dict[str, str]:
    """The first difference at each TODO that has one, in words."""
    if isinstance(found, str):
        return {"*": found}
    differences: dict[str, str] = {}
    for key, outputs in found["outputs"].items():
        name, _, case = key
        if name not in differences:
            due = expected["outputs"][key]
            text = difference_of(outputs, due, *expected["tolerances"][name])
            if text:
                differences[name] = f"{case}: {text}"
    return differences


def difference_of(found: Any, due: Any, rtol: float, atol: float) -> str:
    """How the outputs of a case differ, or an empty string."""
    if isinstance(found, str) or isinstance(due, str):
        return "" if found == due else str(found if isinstance(found, str) else due)
    difference = compare_all(found, due, rtol, atol)
    return f"{difference.name} {difference.summary}" if difference else ""


def score(assignment: str, is_quick: bool, num_jobs: int) -> bool:
    """Print the matrix of an assignment; returns whether every entry is as it should be."""
    expected = finish(start(assignment, None, "", None))
    assert isinstance(expected, dict), expected
    for name in expected["libraries"]:  # so that not every child imports them anew
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()  # a collection in a child would copy all of this, page by page
    wrong = {key: text for key, text in expected["outputs"].items() if isinstance(text, str)}
    for key, text in wrong.items():
        print(f"FAIL reference {key}: {text}")
    is_right = not wrong
    bank = [*load_variants(assignment), *load_misconceptions(assignment)]
    children: list[Child] = []
    seen: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for i, entry in enumerate(bank):
        for other in bank[i + len(children) : i + num_jobs]:
            todos = [other.todo] if is_quick else None
            children.append(start(assignment, other.todo, other.body, todos))
        found = finish(children.pop(0))
        differences = first_differences(expected, found)
        is_mistake = isinstance(entry, Misconception)
        as_due = set(differences) == ({entry.todo} if is_mistake else set())
        details = "; ".join(f"{name}: {text}" for name, text in differences.items()) or "passes"
        if is_mistake and isinstance(found, dict):
            twins = [
                name
                for name, other in seen.get(entry.todo, [])
                if is_same(found, other, entry.todo, expected["tolerances"][entry.todo])
            ]
            seen.setdefault(entry.todo, []).append((entry.name, found))
            as_due &= not twins
            details += "".join(f"; gives the same as {name!r}" for name in twins)
        is_right &= as_due
        kind = "misconception" if is_mistake else "variant"
        verdict = "ok  " if as_due else "FAIL"
        print(f"{verdict} {kind} {entry.todo}, {entry.name} -> {details[:180]}", flush=True)
    counts = sum(isinstance(entry, Misconception) for entry in bank)
    print(f"{assignment}: {counts} misconceptions, {len(bank) - counts} variants", flush=True)
    return is_right


def is_same(a: dict[str, Any], b: dict[str, Any], todo: str, tolerances: Any) -> bool:
    """Whether two mutants give the same in every case of a TODO."""
    keys = [key for key in a["outputs"] if key[0] == todo]
    return all(not difference_of(a["outputs"][k], b["outputs"][k], *tolerances) for k in keys)


def main(arguments: Sequence[str]) -> int:
    """Print the matrix; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("assignment", help="an id, or `all`")
    parser.add_argument("--quick", action="store_true", help="run each at its own TODO only")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N")
    args = parser.parse_args(arguments)
    ids = assignment_ids(ROOT) if args.assignment == "all" else [args.assignment]
    results = [score(name, args.quick, args.jobs) for name in ids]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
