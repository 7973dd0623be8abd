"""One submission on its way through a grader."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from course.grader.class_folder import Opened
from course.grader.grading import AssignmentGrader, Known, TodoResult
from course.grader.integration import IntegrationResult, load_task, run_integration
from course.grader.plan import Plan
from course.grader.records import (
    TOGETHER,
    Record,
    describe_fault,
    integration_row,
    todo_row,
)
from course.grader.sandbox import Limits, SandboxFault
from course.grader.wire import ProtocolError, decode, encode
from course.grader.worker import MAX_JOB_HEADER
from course.manifest import Todo

PARSE = Limits(10.0, 10.0, 64 * 1024)


@dataclass
class References:
    """What the grader knows of each TODO before it sees a submission.

    Args:
        known: what the reference and the misconceptions give.
        faults: why that could not be found out, by the TODO's name.
    """

    known: dict[str, Known] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)


class SubmissionGrading:
    """One submission on its way. A fault in one part leaves the others graded.

    Args:
        plan: of the class.
        grader: to grade with.
        references: what it knows of each TODO.
        root: of the repository.
        opened: the submission; its record is filled in.
        save: called with the record whenever more is known.
    """

    def __init__(
        self,
        plan: Plan,
        grader: AssignmentGrader,
        references: References,
        root: Path,
        opened: Opened,
        save: Callable[[Record], None],
    ):
        self.plan, self.grader, self.references, self.root = plan, grader, references, root
        self.record, self.sources, self.save = opened.record, opened.sources, save
        self.grader.known = references.known

    def run(self) -> Record:
        """Grade it, saving after each TODO what is known by then."""
        started_at = time.monotonic()
        self.save(self.record)
        for todo in self.plan.todos_due:
            self.record.todos.append(todo_row(self._grade_todo(todo)))
            self.record.pending.pop(todo.name)
            self.record.seconds = time.monotonic() - started_at
            self.save(self.record)
        self.record.fingerprints = self._fingerprints()
        if self.record.pending.pop(TOGETHER, None) is not None:
            self.record.integration = integration_row(self._integrate())
        self.record.seconds = time.monotonic() - started_at
        self.record.is_complete = True
        return self.record

    def _grade_todo(self, todo: Todo) -> TodoResult:
        fault = self.references.faults.get(todo.name, "")
        if not fault:
            try:
                return self.grader.grade_todo(todo, self.sources.get(todo.file))
            except Exception as error:
                self.grader.sandbox.stop()  # it may hold half an answer
                fault = describe_fault(error)
        return TodoResult(todo.name, todo.points, fault=fault)

    def _integrate(self) -> IntegrationResult:
        """Train and score; any fault is tried again once."""
        task = load_task(self.plan.assignment, self.root)
        for _ in range(2):
            try:
                result = run_integration(
                    self.grader.sandbox,
                    task,
                    self.plan.assignment,
                    self.sources,
                    self.plan.seed,
                    self.root,
                )
                result.cap(self.record.share)
                return result
            except Exception as error:
                self.grader.sandbox.stop()
                fault = describe_fault(error)
        return IntegrationResult(self.plan.assignment.integration_points, fault=fault)

    def _fingerprints(self) -> dict[str, str]:
        """A hash of each TODO's syntax tree, computed in the sandbox: sources may be hostile."""
        found: dict[str, str] = {}
        for path, source in self.sources.items():
            names = [todo.name for todo in self.plan.assignment.todos if todo.file == path]
            arrays = {"student_source": np.frombuffer(source.encode(), np.uint8)}
            job = encode({"fingerprint": names}, arrays, MAX_JOB_HEADER)
            try:
                reply = self.grader.sandbox.call(job, PARSE)
                values, _ = decode(reply.payload, 0)
                hashes = values.get("fingerprints", {})
                found |= {name: str(hashes[name])[:16] for name in names if name in hashes}
            except (SandboxFault, ProtocolError, TypeError):
                continue
        return found
