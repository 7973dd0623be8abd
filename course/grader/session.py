"""Grading a class: submissions side by side, and nothing finished is ever lost."""

import hashlib
import importlib.metadata
import json
import platform
import queue
import secrets
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from course.grader.grading import AssignmentGrader, digest, with_reference
from course.grader.integration import (
    IntegrationResult,
    IntegrationTask,
    find_blame,
    load_task,
    run_integration,
)
from course.grader.pages import class_report, feedback_page
from course.grader.records import (
    Record,
    gradescope,
    integration_row,
    load_record,
    save_record,
    todo_row,
    write_grades,
    write_whole,
)
from course.grader.sandbox import Limits, SandboxFault, Tier
from course.grader.wire import ProtocolError, decode, encode
from course.grader.worker import MAX_JOB_HEADER
from course.manifest import Assignment
from hw.homework.public_tests import card
from hw.homework.submission import read_submission
from hw.infrastructure.errors import UserError

PACKAGES = ("torch", "numpy", "gymnasium")
PARSE = Limits(10.0, 10.0, 64 * 1024)


@dataclass(frozen=True)
class Plan:
    """What to grade, and how.

    Args:
        assignment: that all submissions are of.
        submissions: folders and archives.
        out: where results go: a folder for each, `report.html` and `grades.csv`.
        tier: of the sandboxes.
        jobs: submissions at a time.
        seed: of all hidden numbers, kept in `out/session.json`, which students never see.
        has_integration: train each submission too.
        has_blame: look for the TODOs that break an integration run.
        is_resumed: keep results of unchanged submissions.
    """

    assignment: Assignment
    submissions: list[Path]
    out: Path
    tier: Tier
    jobs: int
    seed: int
    has_integration: bool
    has_blame: bool
    is_resumed: bool


def grade_class(plan: Plan, root: Path, report: Callable[[str], None]) -> list[Record]:
    """Grade every submission, write all results, and return the records.

    Args:
        plan: what to do.
        root: of the repository.
        report: takes a line at a time for whoever watches.
    """
    plan.out.mkdir(parents=True, exist_ok=True)
    names = submission_names(plan.submissions)
    with tempfile.TemporaryDirectory(prefix="grading_") as folder:
        graders = [
            AssignmentGrader(plan.assignment, plan.seed, Path(folder), plan.tier, root, slot)
            for slot in range(max(1, min(plan.jobs, len(names))))
        ]
        try:
            known = prepare(graders, report)
            for grader in graders:
                grader.known = known
            work: queue.SimpleQueue[tuple[str, Path]] = queue.SimpleQueue()
            for item in names.items():
                work.put(item)
            records: dict[str, Record] = {}
            lock = threading.Lock()

            def grade_next(grader: AssignmentGrader) -> None:
                while not work.empty():
                    try:
                        name, path = work.get_nowait()
                    except queue.Empty:
                        return
                    record = SubmissionGrading(plan, grader, root, name, path).run()
                    with lock:
                        records[name] = record
                        done = f"{len(records)}/{len(names)}"
                        report(f"{done} {name}: {record.score:g} in {record.seconds:.1f} s")

            run_threads(grade_next, graders)
        finally:
            for grader in graders:
                grader.close()
    found = [records[name] for name in names if name in records]
    write_grades(plan.out / "grades.csv", found)
    page = class_report(found, plan.assignment, provenance(plan, root))
    write_whole(plan.out / "report.html", page)
    return found


def prepare(graders: list[AssignmentGrader], report: Callable[[str], None]) -> dict[str, Any]:
    """What the reference and the misconceptions give, computed by all sandboxes together."""
    todos: queue.SimpleQueue[str] = queue.SimpleQueue()
    for todo in graders[0].assignment.todos:
        todos.put(todo.name)
    known: dict[str, Any] = {}

    def prepare_next(grader: AssignmentGrader) -> None:
        while not todos.empty():
            try:
                name = todos.get_nowait()
            except queue.Empty:
                return
            known[name] = grader.know(name)
            report(f"reference and misconceptions of {name}")

    run_threads(prepare_next, graders)
    return known


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


class SubmissionGrading:
    """One submission on its way.

    Args:
        plan: of the class.
        grader: to grade with.
        root: of the repository.
        name: of the submission.
        path: of the submission.
    """

    def __init__(self, plan: Plan, grader: AssignmentGrader, root: Path, name: str, path: Path):
        self.plan, self.grader, self.root, self.path = plan, grader, root, path
        self.folder = plan.out / name
        self.record = Record(name, plan.assignment.id)
        self.cards = {todo.name: card(todo.method) for todo in plan.assignment.todos}

    def run(self) -> Record:
        """Grade it, writing after each TODO what is known by then."""
        started_at = time.monotonic()
        try:
            files = {Path(p): c for p, c in read_submission(self.path).files.items()}
        except UserError as error:
            self.record.problems.append(str(error))
            files = {}
        self.record.provenance = submission_provenance(self.plan, self.grader, files)
        previous = load_record(self.folder)
        if self.plan.is_resumed and self._is_unchanged(previous):
            return previous
        sources = self._sources(files)
        self._save()
        for result in self.grader.grade(sources):
            self.record.todos.append(todo_row(result))
            self.record.seconds = time.monotonic() - started_at
            self._save()
        self.record.fingerprints = self._fingerprints(sources)
        self._integrate(sources)
        self.record.seconds = time.monotonic() - started_at
        self.record.is_complete = True
        self._save()
        if previous is not None and previous.is_complete:
            note = changes(previous, self.record)
            write_whole(self.folder / "changes.txt", note + "\n")
        return self.record

    def _is_unchanged(self, previous: Record | None) -> bool:
        """Whether a finished result is of this very submission, grader and seed."""
        if previous is None or not previous.is_complete or previous.is_ungraded:
            return False
        return previous.provenance == self.record.provenance

    def _sources(self, files: dict[Path, bytes]) -> dict[Path, str]:
        """The files that hold TODOs, as text."""
        sources = {}
        for path in sorted({todo.file for todo in self.plan.assignment.todos}):
            if path in files:
                try:
                    sources[path] = files[path].decode("utf-8-sig").replace("\r\n", "\n")
                except UnicodeDecodeError:
                    self.record.problems.append(f"{path} is not UTF-8")
        return sources

    def _integrate(self, sources: dict[Path, str]) -> None:
        task = load_task(self.plan.assignment, self.root)
        if not self.plan.has_integration or task is None:
            return
        result = self._run_integration(sources, task)
        units = {row["todo"]: not row["category"] for row in self.record.todos}
        failed = result.score < result.points / 2
        if self.plan.has_blame and failed and not result.fault and any(units.values()):
            suspects = sorted(units, key=lambda name: units[name])
            result.blame = find_blame(
                self.grader.sandbox,
                task,
                self.plan.assignment,
                lambda names: with_reference(sources, self.plan.assignment, names, self.root),
                suspects,
                self.plan.seed,
            )
        self.record.integration = integration_row(result)

    def _run_integration(
        self, sources: dict[Path, str], task: IntegrationTask
    ) -> IntegrationResult:
        for attempt in range(2):
            try:
                return run_integration(
                    self.grader.sandbox, task, self.plan.assignment, sources, self.plan.seed
                )
            except SandboxFault as error:
                self.grader.sandbox.stop()
                if attempt == 1:
                    points = self.plan.assignment.integration_points
                    return IntegrationResult(points, fault=str(error))
        raise AssertionError

    def _fingerprints(self, sources: dict[Path, str]) -> dict[str, str]:
        """A hash of each TODO's syntax tree, computed in the sandbox: sources may be hostile."""
        found: dict[str, str] = {}
        for path, source in sources.items():
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

    def _save(self) -> None:
        """Write the record and what is made of it."""
        save_record(self.folder, self.record)
        results = json.dumps(gradescope(self.record, self.cards), indent=1)
        write_whole(self.folder / "results.json", results + "\n")
        page = feedback_page(self.record, self.plan.assignment, self.cards)
        write_whole(self.folder / "feedback.html", page)


def submission_names(paths: list[Path]) -> dict[str, Path]:
    """A folder name for each submission.

    Raises:
        UserError: one does not exist, or two have the same name.
    """
    names: dict[str, Path] = {}
    for path in paths:
        if not path.exists():
            raise UserError(f"{path} does not exist")
        name = path.name
        for ending in (".zip", ".tar.gz", ".tgz", ".tar"):
            name = name.removesuffix(ending)
        name = "".join(c if c.isalnum() or c in "-_.@ " else "_" for c in name).strip(". ")
        if not name or name in names:
            raise UserError(f"{path} and {names.get(name)} would share the name {name!r}")
        names[name] = path
    return names


def choose_seed(out: Path, given: int | None) -> int:
    """The seed of a grading session: given, or that of the folder, or a new secret one."""
    path = out / "session.json"
    if given is None and path.exists():
        return int(json.loads(path.read_text(encoding="utf-8"))["seed"])
    seed = secrets.randbits(31) if given is None else given
    out.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps({"seed": seed}) + "\n")
    return seed


def provenance(plan: Plan, root: Path) -> dict[str, Any]:
    """What a grading can be repeated from, without the seed itself."""
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {
        "assignment": plan.assignment.id,
        "tier": plan.tier,
        "python": platform.python_version(),
        **versions,
        "seed_sha256": hashlib.sha256(str(plan.seed).encode()).hexdigest()[:16],
        "grader_sha256": grader_hash(plan.assignment, root),
    }


def submission_provenance(
    plan: Plan, grader: AssignmentGrader, files: dict[Path, bytes]
) -> dict[str, Any]:
    """The same, and the submission's hash."""
    return provenance(plan, grader.root) | {"submission_sha256": digest(files)[:16]}


def grader_hash(assignment: Assignment, root: Path) -> str:
    """A hash of the grader, the assignment and the reference."""
    paths = [*root.glob("course/**/*.py"), *root.glob("hw/**/*.py")]
    paths += root.glob(f"{assignment.folder}/*.yaml")
    return digest({path.relative_to(root): path.read_bytes() for path in paths})[:16]


def changes(old: Record, new: Record) -> str:
    """What grading again has changed."""
    lines = [f"score {old.score:g} -> {new.score:g}"]
    before = {row["todo"]: row for row in old.todos}
    for row in new.todos:
        was = before.get(row["todo"])
        if was is None or (was["score"], was["category"]) != (row["score"], row["category"]):
            past = f"{was['score']:g} {was['category']}" if was else "absent"
            lines.append(f"{row['todo']}: {past} -> {row['score']:g} {row['category']}".rstrip())
    return "\n".join(lines)
