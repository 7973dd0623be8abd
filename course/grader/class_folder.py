"""The folder of a class's results: nothing finished is ever lost."""

import contextlib
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from course.grader.grading import TodoResult, digest
from course.grader.integration import IntegrationResult
from course.grader.judge import plain_text
from course.grader.pages import class_report, feedback_page
from course.grader.plan import Plan, provenance, submission_names
from course.grader.records import (
    TOGETHER,
    Record,
    describe_fault,
    integration_row,
    load_record,
    results_text,
    save_record,
    todo_row,
    write_grades,
    write_whole,
)
from hw.homework.intake import read_submission
from hw.homework.rules import MAX_FILE_BYTES
from hw.infrastructure.errors import UserError


class ClassFolder:
    """The folder of a class's results: opens submissions, keeps what is finished of them.

    Args:
        plan: of the class.
        root: of the repository.
        report: takes a line at a time.
    """

    def __init__(self, plan: Plan, root: Path, report: Callable[[str], None]):
        self.plan, self.root, self.report = plan, root, report
        self.submissions = submission_names(plan.submissions)
        self.due = plan.points_due(root)
        self.provenance = provenance(plan, root)
        self.cards: dict[str, str] = {}
        self.records: dict[str, Record] = {}
        self.opened: dict[str, Opened] = {}
        self.culprits: dict[str, list[str]] = {}
        self._previous: dict[str, Record | None] = {}
        self._lock = threading.Lock()
        plan.out.mkdir(parents=True, exist_ok=True)

    def open(self, name: str, protections: Sequence[str]) -> "Opened | None":
        """Read a submission; None if its finished result is kept, or it cannot be graded at all.

        Args:
            name: of the submission.
            protections: of the sandbox that will grade it.
        """
        record = Record(name, self.plan.assignment.id, pending=dict(self.due))
        try:
            previous = load_record(self.plan.out / name)
            is_finished = previous is not None and previous.is_complete
            self._previous[name] = previous if is_finished else None
            files = self._read(name, record)
            record.provenance = self.provenance | {
                "protections": list(protections),
                "submission_sha256": digest(files)[:16],
            }
            self.opened[name] = Opened(record, self._sources(files, record))
            if self.plan.is_resumed and is_same(previous, record):
                self._enter(previous, "kept")
                return None
            return self.opened[name]
        except Exception as error:
            self.fail(record, error)
            return None

    def save(self, record: Record) -> None:
        """Write what is known of a submission by now; only a finished result replaces another."""
        if self._previous.get(record.submission) is None or record.is_complete:
            folder = self.plan.out / record.submission
            save_record(folder, record)
            write_whole(folder / "results.json", results_text(record, self.cards))
            page = feedback_page(record, self.plan.assignment, self.cards)
            write_whole(folder / "feedback.html", page)

    def close(self, record: Record) -> None:
        """Take in a finished record."""
        self.save(record)
        previous = self._previous.get(record.submission)
        if previous is not None:
            path = self.plan.out / record.submission / "changes.txt"
            write_whole(path, changes(previous, record) + "\n")
        self._enter(record, f"{record.score:g} in {record.seconds:.1f} s")

    def fail(self, record: Record, error: Exception) -> None:
        """Record that a fault of the grader left the rest of a submission ungraded."""
        self.report(f"{record.submission}: {''.join(traceback.format_exception(error)).strip()}")
        give_up(record, describe_fault(error))
        with contextlib.suppress(Exception):  # the disk may be full: the class report has it still
            self.save(record)
        self._enter(record, "a fault of the grader")

    def finish(self) -> list[Record]:
        """Write what is made of all records, and return them."""
        found = [self.records[name] for name in self.submissions if name in self.records]
        write_grades(self.plan.out / "grades.csv", found)
        page = class_report(found, self.plan.assignment, self.provenance, self.culprits)
        write_whole(self.plan.out / "report.html", page)
        return found

    def _read(self, name: str, record: Record) -> dict[Path, bytes]:
        try:
            submission = read_submission(self.submissions[name])
        except UserError as error:
            record.problems.append(plain_text(error, 500))
            return {}
        return {Path(path): content for path, content in submission.files.items()}

    def _sources(self, files: dict[Path, bytes], record: Record) -> dict[Path, str]:
        """The files that hold TODOs, as text."""
        sources = {}
        for path in sorted({todo.file for todo in self.plan.assignment.todos}):
            if path in files:
                sources[path] = as_source(path, files[path], record.problems)
        return {path: source for path, source in sources.items() if source is not None}

    def _enter(self, record: Record, what: str) -> None:
        with self._lock:
            self.records[record.submission] = record
            done = f"{len(self.records)}/{len(self.submissions)}"
            self.report(f"{done} {record.submission}: {what}")


@dataclass
class Opened:
    """A submission that was read.

    Args:
        record: of it, with nothing graded yet.
        sources: its files that hold TODOs.
    """

    record: Record
    sources: dict[Path, str]


def as_source(path: Path, content: bytes, problems: list[str]) -> str | None:
    """The text of a source, or None and a problem more."""
    if len(content) > MAX_FILE_BYTES[".py"]:
        problems.append(f"{path} is larger than {MAX_FILE_BYTES['.py']} bytes")
        return None
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        problems.append(f"{path} is not UTF-8")
        return None


def is_same(previous: Record | None, record: Record) -> bool:
    """Whether a finished result is of this very submission, grader, seed and plan."""
    return previous is not None and previous.is_final and previous.provenance == record.provenance


def give_up(record: Record, fault: str) -> None:
    """Record a fault for all that is pending."""
    for name, points in record.pending.items():
        if name == TOGETHER:
            record.integration = integration_row(IntegrationResult(points, fault=fault))
        else:
            record.todos.append(todo_row(TodoResult(name, points, fault=fault)))
    record.pending = {}
    record.is_complete = True


def changes(old: Record, new: Record) -> str:
    """What grading again has changed."""
    lines = [f"score {old.score:g} -> {new.score:g}"]
    before, after = results_by_name(old), results_by_name(new)
    for name in {**before, **after}:
        was, now = before.get(name, "absent"), after.get(name, "absent")
        if was != now:
            lines.append(f"{name}: {was} -> {now}")
    return "\n".join(lines)


def results_by_name(record: Record) -> dict[str, str]:
    """Score and category of each TODO and of the integration run, in words."""
    found = {row["todo"]: f"{row['score']:g} {row['category']}".strip() for row in record.todos}
    if record.integration is not None:
        fault = "ungraded" if record.integration["fault"] else ""
        found[TOGETHER] = f"{record.integration['score']:g} {fault}".strip()
    return found
