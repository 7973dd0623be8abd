"""Grading one submission: every TODO by itself, every case in a process of its own."""

import compileall
import hashlib
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from course.bank import load_misconceptions
from course.grader.imports import independent_modules
from course.grader.judge import (
    Outputs,
    Verdict,
    judge,
    max_reply_bytes,
    same_outputs,
)
from course.grader.sandbox import Limits, Reply, Sandbox, SandboxFault, Tier
from course.grader.wire import ProtocolError, decode
from course.grader.worker import make_job
from course.handout.blanking import with_body
from course.handout.tree import Handout, make_handout
from course.manifest import Assignment, Todo
from course.probe import Probe, ProbeCase, load_probes

INSTRUCTOR_FILES = ("__init__", "wire", "splice", "worker", "zygote", "confine")
LEAST_SECONDS = 5.0  # of a case
LEAST_TODO_SECONDS = 60.0  # of all cases of a TODO together
TIME_FACTOR = 10.0
REFERENCE_SECONDS = 60.0
MAX_REFERENCE_BYTES = 2**28
HEAVY_IMPORTS = ("torch", "gymnasium")


@dataclass(frozen=True)
class CaseResult:
    """One case of one TODO.

    Args:
        name: what was tried; empty of a hidden case.
        is_hidden: whether it is one.
        verdict: of the student's method.
    """

    name: str
    is_hidden: bool
    verdict: Verdict


@dataclass
class TodoResult:
    """One TODO of one submission.

    Args:
        todo: its name.
        points: what it counts.
        cases: the cases' results.
        misconception, hint: the one mistake of the bank whose outputs are the student's, if any.
        fault: why it could not be graded; then it counts neither as right nor as wrong.
    """

    todo: str
    points: int
    cases: list[CaseResult] = field(default_factory=list)
    misconception: str = ""
    hint: str = ""
    fault: str = ""

    @property
    def score(self) -> float:
        """Points for the share of the cases that are right, beyond the half.

            points * max(0, 2 * right / all - 1)

        A body that does nothing is right in a few cases too; up to a half of them earn nothing.
        """
        if self.fault or not self.cases:
            return 0.0
        share = sum(case.verdict.passed for case in self.cases) / len(self.cases)
        return self.points * max(0.0, 2.0 * share - 1.0)

    @property
    def first_failure(self) -> CaseResult | None:
        """The first case that is not right; public ones come first."""
        failures = [case for case in self.cases if not case.verdict.passed]
        return min(failures, key=lambda case: case.is_hidden, default=None)

    @property
    def category(self) -> str:
        """Of the first failure; empty if all is right."""
        if self.fault:
            return "ungraded"
        return self.first_failure.verdict.category if self.first_failure else ""


@dataclass(frozen=True)
class Known:
    """What the reference and each misconception give for every case of a TODO.

    Args:
        cases: with the inputs of the grading seed.
        expected: the reference's outputs.
        seconds: that the reference took.
        mistakes: the misconceptions' outputs by name; None where it raised.
        hints: their hints.
    """

    cases: list[ProbeCase]
    expected: list[Outputs]
    seconds: list[float]
    mistakes: dict[str, list[Outputs | None]]
    hints: dict[str, str]


class AssignmentGrader:
    """Grades submissions of one assignment.

    Args:
        assignment: which.
        seed: of all cases' numbers; secret.
        folder: for the trees, readable for the sandboxes' users.
        tier: of the sandboxes.
        root: of the repository.
        slot: number of this grader among those that run at once.
        handout: of the assignment; made anew if it is not given.
    """

    def __init__(
        self,
        assignment: Assignment,
        seed: int,
        folder: Path,
        tier: Tier,
        root: Path = Path("."),
        slot: int = 0,
        handout: Handout | None = None,
    ):
        self.assignment = assignment
        self.seed = seed
        self.tier = tier
        self.root = root
        self.slot = slot
        self.handout = handout or make_handout(assignment, root)
        self.probes: dict[str, Probe] = load_probes(assignment.id)
        self.tree = folder / f"{assignment.id}_{slot}"
        write_tree(self.handout, self.tree, root)
        changing = {todo.file for todo in assignment.todos}
        self.preload = [*HEAVY_IMPORTS, *independent_modules(self.handout.files, changing)]
        self.sandbox = self.make_sandbox()
        self.known: dict[str, Known] = {}
        # The other TODOs of each one's file, name by id.
        self.others = {
            todo.name: {
                assignment.todo_id(other): other.name
                for other in assignment.todos
                if other.file == todo.file and other is not todo
            }
            for todo in assignment.todos
        }

    def make_sandbox(self) -> Sandbox:
        """A sandbox on the blank hand-out."""
        return Sandbox(self.tree, self.preload, self.tier, self.slot)

    def close(self) -> None:
        """End the sandbox and remove the tree."""
        self.sandbox.stop()
        shutil.rmtree(self.tree, ignore_errors=True)

    def know(self, name: str) -> Known:
        """What the reference and the misconceptions give for one TODO.

        Raises:
            SandboxFault: the reference fails in the sandbox.
        """
        todo = self.assignment.todos_by_name[name]
        cases = self.probes[name].cases(derived_seed(self.seed, name))
        reference = (self.root / todo.file).read_text(encoding="utf-8")
        replies = [self.call(todo, reference, case, None) for case in cases]
        expected = []
        for case, reply in zip(cases, replies, strict=True):
            outputs = outputs_of(reply)
            if outputs is None:
                raise SandboxFault(f"{name}, {case.name}: the reference fails: {reply}")
            expected.append(outputs)
        entries = [e for e in load_misconceptions(self.assignment.id) if e.todo == name]
        mistakes = {}
        for entry in entries:
            source = with_body(reference, name, entry.body)
            mistakes[entry.name] = [
                outputs_of(self.call(todo, source, case, None)) for case in cases
            ]
        return Known(
            cases,
            expected,
            [reply.seconds for reply in replies],
            mistakes,
            {entry.name: entry.hint for entry in entries},
        )

    def grade(self, sources: dict[Path, str]) -> Iterator[TodoResult]:
        """The result of each TODO in turn.

        Args:
            sources: the submission's files by path.
        """
        for todo in self.assignment.todos:
            yield self.grade_todo(todo, sources.get(todo.file))

    def grade_todo(self, todo: Todo, source: str | None) -> TodoResult:
        """Run all cases of one TODO; a fault of the sandbox is tried again once."""
        for attempt in range(2):
            try:
                return self._grade_todo(todo, source)
            except SandboxFault as error:
                self.sandbox.stop()
                if attempt == 1:
                    return TodoResult(todo.name, todo.points, fault=str(error))
        raise AssertionError

    def _grade_todo(self, todo: Todo, source: str | None) -> TodoResult:
        known, probe = self.known[todo.name], self.probes[todo.name]
        result = TodoResult(todo.name, todo.points)
        given_up = (
            Verdict("missing", f"{todo.file} is not in the submission") if not source else None
        )
        most = max(LEAST_TODO_SECONDS, TIME_FACTOR * sum(known.seconds))
        deadline = time.monotonic() + most
        for case, expected, seconds in zip(known.cases, known.expected, known.seconds, strict=True):
            verdict = given_up
            if verdict is None:
                most = max(LEAST_SECONDS, TIME_FACTOR * seconds)
                limits = Limits(most, most, max_reply_bytes(expected))
                verdict = self._judge_case(todo, source, case, expected, limits)
                if verdict.category == "timeout":
                    given_up = Verdict("skipped", "not tried after a time-out")
                elif verdict.category in ("not_implemented", "missing", "syntax", "signature"):
                    given_up = verdict
                elif time.monotonic() > deadline:
                    given_up = Verdict("skipped", "not tried: the cases before took too long")
            name = "" if case.is_hidden else case.name
            result.cases.append(CaseResult(name, case.is_hidden, verdict))
        self._diagnose(result, known, probe)
        return result

    def _judge_case(
        self, todo: Todo, source: str, case: ProbeCase, expected: Outputs, limits: Limits
    ) -> Verdict:
        """The verdict of one case.

        If the method calls another TODO, which is blank, the case is run once more with the
        student's own others of that file in place: never with the reference's, which the method
        could read.
        """
        probe = self.probes[todo.name]
        verdict = verdict_of(self.call(todo, source, case, limits), expected, probe, case)
        if verdict.blank not in self.others[todo.name]:
            return verdict
        called = self.others[todo.name][verdict.blank]
        names = list(self.others[todo.name].values())
        reply = self.call(todo, source, case, limits, names)
        verdict = verdict_of(reply, expected, probe, case)
        if verdict.passed:
            return verdict
        note = f"it calls {called}, of which yours was used: is that right?"
        return replace(verdict, summary=f"{verdict.summary}; {note}" if verdict.summary else note)

    def _diagnose(self, result: TodoResult, known: Known, probe: Probe) -> None:
        """Name the misconception if the outputs are exactly those of one."""
        if not result.category:
            return
        found = [case.verdict.outputs for case in result.cases]
        matches = [
            name
            for name, outputs in known.mistakes.items()
            if all(
                same_outputs(a, b, probe.rtol, probe.atol) or (a is None and b is None)
                for a, b in zip(found, outputs, strict=True)
            )
            and any(outputs is not None for outputs in found)
        ]
        if len(matches) == 1:
            result.misconception = matches[0]
            result.hint = known.hints[matches[0]]

    def call(
        self,
        todo: Todo,
        source: str,
        case: ProbeCase,
        limits: Limits | None,
        others: Sequence[str] = (),
    ) -> Reply:
        """Run one case of a source in the sandbox; without limits, as the reference runs.

        Args:
            todo, source, case: what to run.
            limits: of the process.
            others: further TODOs to take from the source, where it has them.
        """
        job = make_job(todo.file.as_posix(), todo.name, source, case.inputs, others)
        if limits is None:
            limits = Limits(REFERENCE_SECONDS, REFERENCE_SECONDS, MAX_REFERENCE_BYTES)
        return self.sandbox.call(job, limits)


def derived_seed(seed: int, use: str) -> int:
    """A seed for one use, of 32 bits: who finds it out knows none of the others.

    Args:
        seed: of the session, secret.
        use: any words.
    """
    found = hashlib.sha256(f"{seed}/{use}".encode()).digest()
    return int.from_bytes(found[:4], "big")


def verdict_of(reply: Reply, expected: Outputs, probe: Probe, case: ProbeCase) -> Verdict:
    """The verdict of a reply of any kind."""
    if reply.status == "timeout":
        return Verdict("timeout", f"no result after {reply.seconds:.0f} s", seconds=reply.seconds)
    if reply.status == "too_long":
        return Verdict("protocol", "the result is far larger than what is due")
    if reply.status == "crash":
        return Verdict("crash", "the process ended without a result")
    return judge(reply.payload, expected, probe.quantities, probe.rtol, probe.atol, case.is_hidden)


def outputs_of(reply: Reply) -> Outputs | None:
    """The outputs of a trusted reply, or None where it holds an error."""
    if reply.status != "ok":
        return None
    try:
        values, outputs = decode(reply.payload, MAX_REFERENCE_BYTES)
    except ProtocolError:
        return None
    return None if "error" in values else outputs


def write_tree(handout: Handout, tree: Path, root: Path) -> None:
    """What the sandbox sees: the blank hand-out, the recipes, and the worker's modules."""
    if tree.exists():
        shutil.rmtree(tree)
    handout.write(tree)
    instructor = tree / "instructor"
    (instructor / "grader").mkdir(parents=True)
    for name in INSTRUCTOR_FILES:
        shutil.copy(root / "course/grader" / f"{name}.py", instructor / "grader")
    shutil.copy(root / handout.assignment.folder / "recipes.py", instructor)
    shutil.rmtree(tree / "tests")
    compileall.compile_dir(tree, quiet=2, invalidation_mode=None)
    tree.chmod(0o755)
    tree.parent.chmod(0o755)


def digest(files: dict[Path, bytes]) -> str:
    """One hash of a set of files."""
    found = hashlib.sha256()
    for path, content in sorted(files.items()):
        found.update(path.as_posix().encode() + b"\0" + content + b"\0")
    return found.hexdigest()
