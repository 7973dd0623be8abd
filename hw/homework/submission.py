"""A submission, and what is wrong with it.

Nothing of it is imported or executed: sources, YAML and JSON are parsed.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from hw.homework.rules import (
    HAND_IN,
    MANIFEST,
    MAX_BYTES,
    MAX_FILE_BYTES,
    MAX_FILES,
    MAX_SOURCE_BYTES,
    REPORTS,
    RUN_FILES,
    Problem,
    plain,
    why_forbidden,
)
from hw.homework.run_files import Run, read_json, read_run, read_settings
from hw.homework.sources import Declaration, read_source
from hw.infrastructure.errors import UserError


@dataclass(frozen=True)
class TodoSummary:
    """A TODO as `assignment.json` states it.

    Args:
        id, file, name, points: as there; the name is `Class.method` or `function`.
        signature, decorators: as `declaration` gives them; None if they are not to be checked.
    """

    id: str
    file: str
    name: str
    points: int
    signature: str | None = None
    decorators: tuple[str, ...] | None = None


@dataclass(frozen=True)
class AssignmentSummary:
    """What a hand-out says of itself.

    Args:
        id, title: of the assignment.
        todos: in the order in which to solve them.
        experiments: the settings of each experiment to hand in, by the path of its file.
    """

    id: str
    title: str
    todos: tuple[TodoSummary, ...]
    experiments: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class TodoState:
    """What a submission has in place of a TODO.

    Args:
        todo: which.
        status: unreadable if its file does not parse.
        line: of its `def`.
        problems: with it.
    """

    todo: TodoSummary
    status: Literal["written", "blank", "missing", "changed", "unreadable"]
    line: int | None
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class Submission:
    """Files of a submission.

    Args:
        files: contents, by path with `/` below the submission's root.
    """

    files: dict[str, bytes] = field(default_factory=dict)

    @cached_property
    def sources(self) -> dict[str, dict[str, list[Declaration]] | Problem]:
        """The functions of each Python file, or why it cannot be read."""
        sources = {path: text for path, text in self.files.items() if path.endswith(".py")}
        if sum(map(len, sources.values())) > MAX_SOURCE_BYTES:
            limit = f"the sources are larger than {MAX_SOURCE_BYTES} bytes together"
            return {path: Problem("error", "size", path, limit) for path in sources}
        return {path: read_source(path, sources[path]) for path in sorted(sources)}

    @cached_property
    def runs(self) -> dict[str, Run | Problem]:
        """Its runs by name, or why one cannot be read."""
        parts = [PurePosixPath(path).parts for path in self.files]
        found: dict[str, Run | Problem] = {}
        for name in sorted({path[1] for path in parts if path[0] == "data" and len(path) == 3}):
            try:
                config, metrics = (self.files.get(f"data/{name}/{file}") for file in RUN_FILES[:2])
                if metrics is not None and len(metrics) > MAX_FILE_BYTES["metrics.jsonl"]:
                    raise UserError("has a metrics.jsonl that is too large")
                found[name] = read_run(name, config, metrics)
            except UserError as error:
                found[name] = Problem("error", "run", f"data/{name}", str(error))
        return found

    def write(self, folder: Path) -> None:
        """Write all files into a new folder.

        Raises:
            UserError: it is not empty, or cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise UserError(f"{folder} is not empty; name a new folder")
            for path, content in self.files.items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(content)
        except OSError as error:
            raise UserError(f"cannot write to {folder}: {error.strerror}") from error


def validate(submission: Submission, assignment: AssignmentSummary) -> list[Problem]:
    """All that is wrong with a submission, errors first."""
    problems = [*_file_problems(submission), *_manifest_problems(submission, assignment)]
    problems += [source for source in submission.sources.values() if isinstance(source, Problem)]
    for state in todo_states(submission, assignment):
        problems += state.problems
    problems += [run for run in submission.runs.values() if isinstance(run, Problem)]
    problems += _experiment_problems(submission, assignment)
    return sorted(problems, key=lambda problem: problem.severity != "error")


def todo_states(submission: Submission, assignment: AssignmentSummary) -> list[TodoState]:
    """What became of each TODO, in their order."""
    return [_todo_state(submission, todo) for todo in assignment.todos]


def checksums(files: dict[str, bytes]) -> dict[str, str]:
    """The SHA-256 of each file but the manifest, by path, sorted."""
    paths = sorted(path for path in files if path != MANIFEST)
    return {path: hashlib.sha256(files[path]).hexdigest() for path in paths}


def read_summary(root: Path) -> AssignmentSummary:
    """Read `assignment.json` in a hand-out's root, and the experiments that it names.

    Raises:
        UserError: one of them is missing or damaged.
    """
    path = root / "assignment.json"
    try:
        content = read_json(path.read_bytes())
        todos = tuple(
            TodoSummary(
                *(row[key] for key in ("id", "file", "name", "points")),
                signature=row.get("signature"),
                decorators=None if "decorators" not in row else tuple(row["decorators"]),
            )
            for row in content["todos"]
        )
        experiments = {name: read_settings(root / name) for name in content["experiments"]}
        return AssignmentSummary(content["assignment"], content["title"], todos, experiments)
    except FileNotFoundError as error:
        if error.filename == str(path):
            message = f"no assignment.json in {root.resolve()}; run this in the hand-out's root"
        else:
            message = f"{error.filename} is missing; take it from the hand-out again"
        raise UserError(message) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged; take it from the hand-out again") from error


def _file_problems(submission: Submission) -> Iterator[Problem]:
    total = sum(map(len, submission.files.values()))
    if len(submission.files) > MAX_FILES or total > MAX_BYTES:
        limits = f"at most {MAX_FILES} files and {MAX_BYTES} bytes can be handed in"
        yield Problem("error", "size", "submission", limits)
    for path, content in sorted(submission.files.items()):
        parts, name = PurePosixPath(path).parts, PurePosixPath(path).name
        limit = MAX_FILE_BYTES.get(name, MAX_FILE_BYTES.get(PurePosixPath(path).suffix, 0))
        is_known = (
            path in (MANIFEST, *REPORTS)
            or (parts[0] == "hw" and name.endswith(".py"))
            or (parts[0] == "data" and len(parts) == 3 and name in RUN_FILES)
        )
        reason = why_forbidden(path)
        if reason or not is_known:
            yield Problem("error", "forbidden", path, reason or f"is not handed in; {HAND_IN}")
        elif len(content) > limit and parts[0] != "hw":  # of a source its parser says so
            yield Problem("error", "size", path, f"is larger than {limit} bytes")


def _manifest_problems(submission: Submission, assignment: AssignmentSummary) -> Iterator[Problem]:
    def problem(severity: Literal["error", "warning"], message: str) -> Problem:
        return Problem(severity, "manifest", MANIFEST, message)

    if MANIFEST not in submission.files:
        yield problem("warning", f"is missing; {HAND_IN}")
        return
    try:
        manifest = read_json(submission.files[MANIFEST][: MAX_FILE_BYTES[MANIFEST]])
        found, sums = manifest["assignment"], manifest["files"]
    except (KeyError, ValueError):
        found = None
    if not isinstance(found, str):
        yield problem("error", f"cannot be read; {HAND_IN}")
        return
    if found != assignment.id:
        yield problem("error", f"is of {plain(found)}, not of {assignment.id}")
    if sums != checksums(submission.files):
        yield problem("warning", f"does not agree with the files; {HAND_IN}")


def _todo_state(submission: Submission, todo: TodoSummary) -> TodoState:
    source = submission.sources.get(todo.file)
    if isinstance(source, Problem):
        return TodoState(todo, "unreadable", None, ())
    if source is None or todo.name not in source:
        what = "the file is missing" if source is None else f"{todo.name} is missing"
        message = f"{what}; take it from the hand-out again ({todo.points} points)"
        problem = Problem("error", "missing", todo.file, message)
        return TodoState(todo, "missing", None, (problem,))
    *earlier, found = source[todo.name]
    where = f"{todo.file}:{found.line}"
    if todo.signature is not None and found.signature != todo.signature:
        message = f"{todo.name} takes {plain(found.signature)}, but should take {todo.signature}"
        problem = Problem("error", "signature", where, message)
        return TodoState(todo, "changed", found.line, (problem,))
    problems = []
    if earlier:
        message = f"{todo.name} is defined {len(earlier) + 1} times; only this one counts"
        problems.append(Problem("warning", "twice", where, message))
    if todo.decorators is not None and found.decorators != todo.decorators:
        due = "".join(f" @{name}" for name in todo.decorators) or " none"
        message = f"{todo.name} has other decorators; the hand-out had{due}"
        problems.append(Problem("warning", "decorators", where, message))
    if found.is_blank:
        message = f"{todo.name} is blank ({todo.points} points)"
        problems.append(Problem("warning", "not_implemented", where, message))
    elif found.leftover is not None:
        message = f"{todo.name} still raises the TODO; is this line left over?"
        problems.append(Problem("warning", "leftover", f"{todo.file}:{found.leftover}", message))
    return TodoState(todo, "blank" if found.is_blank else "written", found.line, tuple(problems))


def _experiment_problems(
    submission: Submission, assignment: AssignmentSummary
) -> Iterator[Problem]:
    runs = [run for run in submission.runs.values() if isinstance(run, Run)]
    for path, experiment in assignment.experiments.items():
        matching = [run for run in runs if run.is_of(experiment)]
        if not any(run.is_finished for run in matching):
            found = "only an unfinished run" if matching else "no run"
            yield Problem("warning", "run", path, f"{found} is handed in")
        for run in matching:
            keys = [key for key in experiment if key not in ("seed", "expect")]
            other = [key for key in keys if not _same(run.settings.get(key), experiment[key])]
            if other:
                message = f"ran with another {', '.join(other)} than {path} states"
                yield Problem("warning", "run", f"data/{run.name}", message)


def _same(value: Any, due: Any) -> bool:
    """Whether two settings are equal; 3e-4 is text to YAML, and a number to us."""
    try:
        return value == due or float(value) == float(due)
    except (TypeError, ValueError, OverflowError):
        return False
