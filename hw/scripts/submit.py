"""Checks a homework and packs what is handed in into a zip. Run it in the hand-out's root."""

import argparse
import importlib.metadata
import io
import json
import os
import platform
import re
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hw.homework.intake import Intake
from hw.homework.rules import (
    MANIFEST,
    MAX_BYTES,
    MAX_FILE_BYTES,
    REPORTS,
    RUN_FILES,
    Problem,
    why_forbidden,
)
from hw.homework.run_files import Run, read_run
from hw.homework.submission import (
    AssignmentSummary,
    Submission,
    checksums,
    read_summary,
    todo_states,
    validate,
)
from hw.infrastructure.errors import UserError

BAD_INPUT = 2
PACKAGES = ("hw", "torch", "numpy", "gymnasium")
# What editors and systems leave in folders; it is not handed in, and hides nothing.
LEFT_BY_OTHERS = {".DS_Store", "Thumbs.db", "desktop.ini", ".ipynb_checkpoints", "__pycache__"}
MIDNIGHT = (1980, 1, 1, 0, 0, 0)  # the first that a zip can hold


@dataclass(frozen=True)
class RunFolder:
    """A run on this machine.

    Args:
        folder: its directory.
        run: what its files say.
    """

    folder: Path
    run: Run


def main(arguments: Sequence[str]) -> int:
    """Check and pack; returns the exit status."""
    args = parse_arguments(arguments)
    root = Path()
    assignment = read_summary(root)
    target = args.out or Path(
        "_".join([assignment.id, *([args.name] if args.name else [])]) + ".zip"
    )
    found = [read_run_folder(path) for path in args.runs or []] or find_runs(root / "data")
    runs = found if args.runs else choose_runs(found, assignment)
    stray = stray_files(root)
    submission = collect(root, runs)
    submission.files[MANIFEST] = manifest(submission, assignment, args.name)
    problems = [*stray, *validate(submission, assignment)]

    print(f"{assignment.id}: {assignment.title}\n")
    print_todos(submission, assignment)
    print_experiments(assignment, runs, found)
    print_sizes(submission)
    for problem in problems:
        print(problem)
    num_errors = sum(problem.severity == "error" for problem in problems)
    if num_errors:
        raise UserError(f"nothing is written; errors to mend first: {num_errors}")
    size = write_zip(submission, target)
    print(f"{target}: {len(submission.files)} files, {kilobytes(size)}")
    return 0


# What is handed in


def collect(root: Path, runs: Sequence[RunFolder]) -> Submission:
    """The files to hand in: all sources of `hw`, the report, and what runs logged.

    Raises:
        UserError: a file cannot be read, leads out of its folder, or has a name that not every
            system can write; or there are too many.
    """
    intake = Intake()
    for path in walk(root / "hw"):
        if path.suffix == ".py":
            add(intake, path.relative_to(root).as_posix(), path, root)
    for name in REPORTS:
        if (root / name).is_symlink() or (root / name).exists():
            add(intake, name, root / name, root)
    for found in runs:
        for name in RUN_FILES:
            path = found.folder / name
            if path.is_symlink() or path.exists():
                add(intake, f"data/{found.run.name}/{name}", path, found.folder)
    return Submission(intake.files)


def add(intake: Intake, name: str, path: Path, below: Path) -> None:
    """Read a file into the submission; a metrics file that is too large is thinned.

    Raises:
        UserError: see `collect`.
    """
    if not path.resolve().is_relative_to(below.resolve()):
        raise UserError(f"{path} is a link that leads elsewhere; put the file itself there")
    try:
        if path.name == "metrics.jsonl" and path.stat().st_size > MAX_FILE_BYTES[path.name]:
            intake.add(name, io.BytesIO(thin(path.read_bytes(), MAX_FILE_BYTES[path.name])))
            return
        with path.open("rb") as file:
            intake.add(name, file)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error


def walk(folder: Path) -> Iterator[Path]:
    """All files below a folder, sorted, without what editors and systems leave there.

    Raises:
        UserError: there is a link to a folder.
    """
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise UserError(f"{folder} cannot be read: {error.strerror}") from error
    for path in entries:
        if path.name in LEFT_BY_OTHERS:
            continue
        if path.is_dir():
            if path.is_symlink():
                raise UserError(f"{path} is a link to a folder; put the folder itself there")
            yield from walk(path)
        else:
            yield path


def stray_files(root: Path) -> list[Problem]:
    """Files of the hand-out that change what Python imports, or whose work would not travel."""
    at_root = [path for path in root.iterdir() if not path.name.startswith(".")]
    files = [path for path in at_root if path.is_file()]
    files += [path / "__init__.py" for path in at_root if (path / "__init__.py").is_file()]
    names = [path.relative_to(root).as_posix() for path in [*files, *walk(root / "hw")]]
    reasons = {name: why_forbidden(name) for name in sorted(names)}
    return [
        Problem("error", "forbidden", name, reason)
        for name, reason in reasons.items()
        # What is in the submission itself `validate` complains about.
        if reason and not (name.startswith("hw/") and name.endswith(".py"))
    ]


def thin(content: bytes, limit: int) -> bytes:
    """Rows of a metrics file, as many as the limit allows.

    All evaluations and the last row are kept, and of the others every second, fourth, eighth...
    """
    lines = content.splitlines(keepends=True)
    must = {i for i, line in enumerate(lines) if b'"eval/return_mean"' in line} | {len(lines) - 1}
    others = [i for i in range(len(lines)) if i not in must]
    stride = 1
    while True:
        kept = b"".join(lines[i] for i in sorted([*must, *others[::stride]]))
        if len(kept) <= limit or stride > len(others):
            return kept
        stride *= 2


def manifest(submission: Submission, assignment: AssignmentSummary, name: str | None) -> bytes:
    """What `manifest.json` says: whose work on what, the versions, each file's SHA-256."""
    content = {
        "assignment": assignment.id,
        "name": name,
        "versions": {"python": platform.python_version()} | {p: version(p) for p in PACKAGES},
        "files": checksums(submission.files),
    }
    return (json.dumps(content, indent=2) + "\n").encode()


def version(package: str) -> str | None:
    """The version of an installed package, without importing it."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def write_zip(submission: Submission, path: Path) -> int:
    """Write a submission, the same bytes for the same files; returns their number.

    Raises:
        UserError: the file would be too large, or cannot be written.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in sorted(submission.files):
            entry = zipfile.ZipInfo(name, MIDNIGHT)
            entry.create_system = 3  # Unix, on Windows too
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, submission.files[name], compresslevel=9)
    size = packed.tell()
    if size > MAX_BYTES:
        raise UserError(f"{path} would be larger than {kilobytes(MAX_BYTES)}")
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".submit") as folder:
            new = Path(folder, "new.zip")
            new.write_bytes(packed.getbuffer())
            os.replace(new, path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; try --out") from error
    return size


# Runs


def read_run_folder(folder: Path) -> RunFolder:
    """Read a run's directory.

    Raises:
        UserError: it is none.
    """
    contents = []
    for name in RUN_FILES[:2]:
        path = folder / name
        try:
            contents.append(path.read_bytes() if path.exists() else None)
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}") from error
    try:
        return RunFolder(folder, read_run(folder.resolve().name, *contents))
    except UserError as error:
        raise UserError(f"{folder} is no run's directory: it {error}") from error


def find_runs(data_dir: Path) -> list[RunFolder]:
    """All runs in a folder that can be read."""
    found = []
    for folder in sorted(data_dir.glob("*/config.yaml")):
        try:
            found.append(read_run_folder(folder.parent))
        except UserError as error:
            print(f"warning: {error}; it is left out", file=sys.stderr)
    return found


def choose_runs(found: Sequence[RunFolder], assignment: AssignmentSummary) -> list[RunFolder]:
    """The newest finished run of each experiment."""
    finished = [item for item in found if item.run.is_finished]
    chosen = [newest(finished, experiment) for experiment in assignment.experiments.values()]
    return sorted({item.folder: item for item in chosen if item}.values(), key=lambda x: x.folder)


def newest(found: Sequence[RunFolder], experiment: dict[str, Any]) -> RunFolder | None:
    """The run of an experiment that began last."""
    matching = [item for item in found if item.run.is_of(experiment)]
    return max(matching, key=lambda item: item.run.age_key(), default=None)


# What is printed


def print_todos(submission: Submission, assignment: AssignmentSummary) -> None:
    """A row for each TODO, and what they count together."""
    states = todo_states(submission, assignment)
    rows = [
        (
            state.todo.name,
            state.todo.points,
            state.status,
            state.todo.file + (f":{state.line}" if state.line else ""),
        )
        for state in states
    ]
    print_table(("TODO", "points", "state", "where"), rows)
    written = [state.todo.points for state in states if state.status == "written"]
    points = sum(todo.points for todo in assignment.todos)
    print(f"written: {len(written)} of {len(states)}, for {sum(written)} of {points} points\n")


def print_experiments(
    assignment: AssignmentSummary, runs: Sequence[RunFolder], found: Sequence[RunFolder]
) -> None:
    """A row for each experiment: its newest run, first of those handed in."""
    rows = []
    for path, experiment in assignment.experiments.items():
        item = newest(runs, experiment) or newest(found, experiment)
        if item is None:
            rows.append((path, "missing", "", "", ""))
            continue
        run = item.run
        reached = "none" if run.eval_return is None else f"{run.eval_return:.1f}"
        state = "finished" if run.is_finished else "unfinished"
        state += "" if item in runs else ", left out"
        rows.append((path, state, run.step, reached, run.name))
    if rows:
        print_table(("experiment", "state", "steps", "eval return", "run"), rows)
        num_there = sum(
            newest(runs, value) is not None for value in assignment.experiments.values()
        )
        print(f"handed in: {num_there} of {len(rows)} experiments, {len(runs)} runs\n")


def print_sizes(submission: Submission) -> None:
    """A row for each part of the submission."""
    parts = {"sources": "hw/", "report": "report.", "runs": "data/", "manifest": MANIFEST}
    rows = []
    for part, start in parts.items():
        sizes = [len(text) for name, text in submission.files.items() if name.startswith(start)]
        rows.append((part, len(sizes), kilobytes(sum(sizes))))
    sizes = [len(content) for content in submission.files.values()]
    print_table(("part", "files", "size"), [*rows, ("total", len(sizes), kilobytes(sum(sizes)))])
    print()


def print_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns under their heads; numbers stand to the right."""
    cells = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    is_number = [isinstance(cell, int) for cell in rows[0]]
    for row in cells:
        columns = zip(row, widths, is_number, strict=True)
        padded = [
            cell.rjust(width) if right else cell.ljust(width) for cell, width, right in columns
        ]
        print("  ".join(padded).rstrip())


def kilobytes(num_bytes: int) -> str:
    """A size for people."""
    return f"{num_bytes / 1000:.1f} kB"


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", type=plain_name, help="yours: a part of the zip's name")
    parser.add_argument(
        "--runs",
        type=Path,
        nargs="+",
        metavar="RUN_DIR",
        help="hand in these; default: the newest finished run of each experiment in data/",
    )
    parser.add_argument("--out", type=Path, metavar="FILE.zip", help="default: ASSIGNMENT_NAME.zip")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    return parser.parse_args(arguments)


def plain_name(text: str) -> str:
    """A name that can be part of a file's."""
    if not re.fullmatch(r"\w[\w-]{0,59}", text):
        raise argparse.ArgumentTypeError(f"only letters, digits, - and _ please, got {text!r}")
    return text


def run_main(arguments: Sequence[str]) -> int:
    """`command_line.run_main` for a script that does without torch, and so starts at once."""
    if "--debug" in arguments:
        return main(arguments)
    try:
        return main(arguments)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT


if __name__ == "__main__":
    sys.exit(run_main(sys.argv[1:]))
