"""Grading a class: submissions side by side, here or on a cluster."""

import ast
import contextlib
import fcntl
import os
import queue
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from course.grader.blame import NEEDED, find_blame, find_suspects, has_culprits, is_closed_off
from course.grader.class_folder import ClassFolder
from course.grader.grading import AssignmentGrader
from course.grader.integration import load_task
from course.grader.plan import Plan
from course.grader.records import (
    Record,
    describe_fault,
)
from course.grader.splice import find_function
from course.grader.submission_grading import References, SubmissionGrading
from course.handout.tree import make_handout
from course.manifest import Todo
from hw.infrastructure.errors import UserError

MAX_SLOTS = 500


def grade_class(plan: Plan, root: Path, report: Callable[[str], None]) -> list[Record]:
    """Grade every submission, write all results, and return the records.

    Args:
        plan: what to do.
        root: of the repository.
        report: takes a line at a time for whoever watches.
    """
    folder = ClassFolder(plan, root, report)
    if plan.backend == "ray":
        from course.grader.cluster import grade_on_cluster

        grade_on_cluster(plan, root, folder, report)
    else:
        grade_here(plan, root, folder, report)
    records = folder.finish()
    if plan.has_blame:
        find_culprits(plan, root, folder, report)
        folder.finish()
    return records


class Stopped(BaseException):
    """The grader is being interrupted: what a thread has now is worth nothing."""


def grade_here(plan: Plan, root: Path, folder: ClassFolder, report: Callable[[str], None]) -> None:
    """Grade on this machine, so many submissions at a time."""
    stopping = threading.Event()

    def go_on() -> None:
        if stopping.is_set():
            raise Stopped

    def save(record: Record) -> None:
        go_on()
        folder.save(record)

    work: queue.SimpleQueue[str] = queue.SimpleQueue()
    for name in folder.submissions:
        work.put(name)
    with open_graders(plan, root, min(plan.jobs, len(folder.submissions))) as graders:
        folder.cards = find_cards(graders[0])
        references: References | None = None

        def grade_next(grader: AssignmentGrader) -> None:
            for name in drain(work):
                opened = folder.open(name, grader.sandbox.protections)
                if opened is None:
                    continue
                try:
                    SubmissionGrading(plan, grader, references, root, opened, save).run()
                    go_on()
                    folder.close(opened.record)
                except Exception as error:
                    go_on()
                    folder.fail(opened.record, error)

        try:
            references = find_references(graders, plan.todos_due, report)
            run_threads(grade_next, graders)
        except BaseException:
            stopping.set()
            raise


def find_culprits(
    plan: Plan, root: Path, folder: ClassFolder, report: Callable[[str], None]
) -> None:
    """Find out which TODOs break the integration runs that fail, now that all scores are written.

    See `course/grader/blame.py`.
    """
    failed = [name for name, record in folder.records.items() if has_culprits(record)]
    work: queue.SimpleQueue[str] = queue.SimpleQueue()
    for name in failed:
        work.put(name)
    task = load_task(plan.assignment, root)

    def blame_next(grader: AssignmentGrader) -> None:
        grader.sandbox.start()
        if not is_closed_off(grader.sandbox.protections):
            report(f"culprits are not looked for: this needs {' and '.join(NEEDED)}")
            return
        for name in drain(work):
            suspects = find_suspects(folder.records[name])
            sources = folder.opened[name].sources
            try:
                found = find_blame(
                    grader.sandbox, task, plan.assignment, sources, suspects, plan.seed, root
                )
            except Exception as error:  # the score stands without it
                grader.sandbox.stop()
                report(f"culprits of {name}: {describe_fault(error)}")
                continue
            folder.culprits[name] = found
            report(f"culprits of {name}: {' and '.join(found) or 'not found'}")

    if failed:
        with open_graders(plan, root, min(plan.jobs, len(failed))) as graders:
            run_threads(blame_next, graders)


@contextlib.contextmanager
def open_graders(plan: Plan, root: Path, count: int) -> Iterator[list[AssignmentGrader]]:
    """Graders with a sandbox each, closed at the end."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="grading_")))
        handout = make_handout(plan.assignment, root)
        graders = []
        for _ in range(max(1, count)):
            slot = stack.enter_context(free_slot())
            grader = AssignmentGrader(
                plan.assignment, plan.seed, folder, plan.tier, root, slot, handout
            )
            stack.callback(grader.close)
            graders.append(grader)
        yield graders


@contextlib.contextmanager
def free_slot() -> Iterator[int]:
    """The number of a sandbox that nobody on this machine uses: two would share a user.

    The lock is given back by the system however the grader ends.
    """
    base = Path("/run") if os.access("/run", os.W_OK) else Path(tempfile.gettempdir())
    folder = base / f"grading_slots_{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.stat(follow_symlinks=False)
    if status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise UserError(f"{folder} is not ours alone; remove it")
    for slot in range(MAX_SLOTS):
        with (folder / str(slot)).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield slot
            return
    raise UserError(f"more than {MAX_SLOTS} sandboxes at once on this machine")


def drain(work: "queue.SimpleQueue[Any]") -> Iterator[Any]:
    """What is left in a queue."""
    with contextlib.suppress(queue.Empty):
        while True:
            yield work.get_nowait()


def find_references(
    graders: list[AssignmentGrader], todos: list[Todo], report: Callable[[str], None]
) -> References:
    """What the reference and the misconceptions give, computed by all sandboxes together.

    What fails twice is a fault of the grader, and leaves that one TODO ungraded.
    """
    work: queue.SimpleQueue[str] = queue.SimpleQueue()
    for todo in todos:
        work.put(todo.name)
    references = References()

    def prepare_next(grader: AssignmentGrader) -> None:
        for name in drain(work):
            for _ in range(2):
                try:
                    references.known[name] = grader.know(name)
                    references.faults.pop(name, None)
                    break
                except Exception as error:
                    grader.sandbox.stop()
                    references.faults[name] = describe_fault(error)
            fault = references.faults.get(name)
            report(f"reference and misconceptions of {name}" + (f": {fault}" if fault else ""))

    run_threads(prepare_next, graders)
    return references


def run_threads(
    target: Callable[[AssignmentGrader], None], graders: list[AssignmentGrader]
) -> None:
    """One thread for each grader; they wait for their sandboxes most of the time.

    The first error of any is raised when all have ended.
    """
    errors: list[BaseException] = []

    def guarded(grader: AssignmentGrader) -> None:
        try:
            target(grader)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(g,), daemon=True) for g in graders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def find_cards(grader: AssignmentGrader) -> dict[str, str]:
    """Where each TODO's docstring stands in the hand-out, as `file:line`."""
    cards = {}
    for todo in grader.assignment.todos:
        blank = ast.parse(grader.handout.files[todo.file])
        line = find_function(blank, todo.name).lineno
        cards[todo.name] = f"{todo.file.as_posix()}:{line}"
    return cards
