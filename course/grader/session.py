"""Grading a class: submissions side by side, and nothing finished is ever lost."""

import ast
import contextlib
import fcntl
import hashlib
import importlib.metadata
import json
import os
import platform
import queue
import secrets
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from course.grader.blame import NEEDED, find_blame, find_suspects, has_culprits, is_closed_off
from course.grader.grading import AssignmentGrader, Known, TodoResult, digest
from course.grader.integration import IntegrationResult, load_task, run_integration
from course.grader.judge import plain_text
from course.grader.pages import class_report, feedback_page
from course.grader.records import (
    TOGETHER,
    Record,
    integration_row,
    load_record,
    results_text,
    save_record,
    todo_row,
    write_grades,
    write_whole,
)
from course.grader.sandbox import Limits, SandboxFault, Tier
from course.grader.splice import find_function
from course.grader.wire import ProtocolError, decode, encode
from course.grader.worker import MAX_JOB_HEADER
from course.handout.tree import make_handout
from course.manifest import Assignment, Todo
from hw.homework.intake import read_submission
from hw.homework.rules import MAX_FILE_BYTES
from hw.infrastructure.errors import UserError

PACKAGES = ("torch", "numpy", "gymnasium")
PARSE = Limits(10.0, 10.0, 64 * 1024)
OWN_FILES = ("report.html", "grades.csv", "session.json")
MAX_SLOTS = 500
Backend = Literal["local", "ray"]


@dataclass(frozen=True)
class Plan:
    """What to grade, and how.

    Args:
        assignment: that all submissions are of.
        submissions: folders and archives.
        out: where results go: a folder for each, `report.html` and `grades.csv`.
        tier: of the sandboxes.
        jobs: submissions at a time on this machine.
        seed: of all hidden numbers, kept in `out/session.json`, which students never see.
        has_integration: train each submission too.
        has_blame: look for the TODOs that break an integration run; see `blame.py` for the risk.
        is_resumed: keep results of unchanged submissions.
        todos: names of those to grade; empty grades all.
        backend: where submissions are graded.
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
    todos: tuple[str, ...] = ()
    backend: Backend = "local"

    @property
    def todos_due(self) -> list[Todo]:
        """The TODOs to grade, in the assignment's order.

        Raises:
            UserError: one that is named is not of the assignment.
        """
        known = self.assignment.todos_by_name
        for name in self.todos:
            if name not in known:
                raise UserError(f"{name} is no TODO of {self.assignment.id}: {', '.join(known)}")
        return [todo for todo in known.values() if not self.todos or todo.name in self.todos]

    def points_due(self, root: Path) -> dict[str, int]:
        """Points of all that is to be graded, by name."""
        points = {todo.name: todo.points for todo in self.todos_due}
        if self.has_integration and load_task(self.assignment, root) is not None:
            points[TOGETHER] = self.assignment.integration_points
        return points


@dataclass
class References:
    """What the grader knows of each TODO before it sees a submission.

    Args:
        known: what the reference and the misconceptions give.
        faults: why that could not be found out, by the TODO's name.
    """

    known: dict[str, Known] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)


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


@dataclass
class Opened:
    """A submission that was read.

    Args:
        record: of it, with nothing graded yet.
        sources: its files that hold TODOs.
    """

    record: Record
    sources: dict[Path, str]


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


def describe_fault(error: Exception) -> str:
    """A fault of the grader in one line, with the place where it arose."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return plain_text(f"{type(error).__name__}: {error}", 300) + where


def find_cards(grader: AssignmentGrader) -> dict[str, str]:
    """Where each TODO's docstring stands in the hand-out, as `file:line`."""
    cards = {}
    for todo in grader.assignment.todos:
        blank = ast.parse(grader.handout.files[todo.file])
        line = find_function(blank, todo.name).lineno
        cards[todo.name] = f"{todo.file.as_posix()}:{line}"
    return cards


def submission_names(paths: list[Path]) -> dict[str, Path]:
    """A folder name for each submission.

    Raises:
        UserError: one does not exist, or two have the same name (on a system that takes Ann and
            ann for the same), or one has a name that has no letters or is needed for our own files.
    """
    names: dict[str, Path] = {}
    taken: dict[str, Path] = {}
    for path in paths:
        if not path.exists():
            raise UserError(f"{path} does not exist")
        name = path.resolve().name
        for ending in (".zip", ".tar.gz", ".tgz", ".tar"):
            name = name.removesuffix(ending)
        name = "".join(c if c.isalnum() or c in "-_.@ " else "_" for c in name).strip(". ")
        key = name.casefold()
        if not name or key in OWN_FILES:
            raise UserError(f"{path}: results cannot be kept under {name!r}; rename it")
        if key in taken:
            raise UserError(f"{path} and {taken[key]} would share the name {name!r}; rename one")
        names[name] = taken[key] = path
    return names


def choose_seed(out: Path, given: int | None) -> int:
    """The seed of a grading session: given, or that of the folder, or a new secret one."""
    path = out / "session.json"
    if given is None and path.exists():
        try:
            return int(json.loads(path.read_text(encoding="utf-8"))["seed"])
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path} holds no seed; remove it, or give one") from error
    seed = secrets.randbits(128) if given is None else given
    if seed < 0:
        raise UserError(f"seed is {seed}, must be at least 0")
    out.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps({"seed": seed}) + "\n", mode=0o600)
    return seed


def provenance(plan: Plan, root: Path) -> dict[str, Any]:
    """What a grading can be repeated from, without the seed itself."""
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {
        "assignment": plan.assignment.id,
        "tier": plan.tier,
        "python": platform.python_version(),
        **versions,
        "seed_scrypt": seed_hash(plan),
        "grader_sha256": grader_hash(plan.assignment, root),
        "graded": "all" if not plan.todos else ", ".join(todo.name for todo in plan.todos_due),
        "integration": plan.has_integration,
    }


def seed_hash(plan: Plan) -> str:
    """A hash of the seed that is too slow to be turned round by trying all seeds."""
    salt = plan.assignment.id.encode()
    return hashlib.scrypt(str(plan.seed).encode(), salt=salt, n=2**14, r=8, p=1, dklen=8).hex()


def grader_hash(assignment: Assignment, root: Path) -> str:
    """A hash of the grader, the assignment and the reference."""
    paths = [*root.glob("course/**/*.py"), *root.glob("hw/**/*.py")]
    paths += root.glob(f"{assignment.folder}/*.yaml")
    return digest({path.relative_to(root): path.read_bytes() for path in paths})[:16]


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
