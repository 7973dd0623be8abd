"""Makes the zip with which Gradescope grades an assignment."""

import argparse
import re
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from course.grader.integration import load_task  # noqa: E402
from course.grader.records import TOGETHER, Record, results_text  # noqa: E402
from course.grader.sandbox import TIERS  # noqa: E402
from course.manifest import Assignment, load_assignment  # noqa: E402
from hw.infrastructure.errors import UserError  # noqa: E402
from hw.scripts.command_line import run_main  # noqa: E402

TEMPLATES = Path("course/autograder")
AT_THE_TOP = ("setup.sh", "run_autograder")  # where Gradescope looks for them
# Of the repository: what grade.py needs. The hand-out is made from it anew.
PARTS = (
    "LICENSE",
    "requirements.txt",
    "course/__init__.py",
    "course/bank.py",
    "course/grade.py",
    "course/manifest.py",
    "course/probe.py",
    "course/autograder/watch.py",
    "course/grader/**/*",
    "course/handout/**/*",
    "course/assignments/__init__.py",
    "course/assignments/*/assignment.yaml",
    "hw/**/*.py",
    "experiments/**/*.yaml",
)
# Packages of requirements-dev.txt that grading needs beside requirements.txt.
PACKAGES = ("jinja2", "libcst")
DATE = (1980, 1, 1, 0, 0, 0)  # the same for every file, so that the same sources give the same zip
MOST_SECONDS = 2400  # that Gradescope ever gives


def main(arguments: Sequence[str]) -> int:
    """Write the zip; returns the exit status."""
    args = parse_arguments(arguments)
    assignment = load_assignment(args.assignment, ROOT)
    unknown = [name for name in args.todos if name not in assignment.todos_by_name]
    if unknown:
        known = ", ".join(assignment.todos_by_name)
        raise UserError(f"{unknown[0]} is no TODO of {assignment.id}: {known}")
    if not 60 <= args.seconds < MOST_SECONDS:
        raise UserError(f"--seconds is {args.seconds}, must be from 60 to {MOST_SECONDS - 1}")
    has_integration = not args.no_integration and not args.todos
    options = [] if has_integration else ["--no-integration"]
    options += ["--todos", *args.todos] if args.todos else []
    settings = {
        "ASSIGNMENT": assignment.id,
        "REQUIRE_TIER": args.require_tier,
        "SECONDS": str(args.seconds),
        "SEED": "" if args.seed is None else str(args.seed),
        "OPTIONS": " ".join(options),
    }
    files = autograder_files(assignment, settings, args.todos, has_integration)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    write_zip(args.out, files)
    print(f"{args.out}: {len(files)} files. At Gradescope give it 4 CPUs with 6 GB of memory if")
    print(f"you can, and a time limit of more than {args.seconds} seconds.")
    return 0


def autograder_files(
    assignment: Assignment, settings: dict[str, str], todos: Sequence[str], has_integration: bool
) -> dict[str, bytes]:
    """The files of the zip by path.

    Args:
        assignment: to grade.
        settings: what stands in `settings.sh`.
        todos: names of those to grade; empty grades all.
        has_integration: whether to train each submission too.
    """
    patterns = (*PARTS, f"{assignment.folder}/**/*")
    paths = {path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()}
    names = {path.relative_to(ROOT) for path in paths if "__pycache__" not in path.parts}
    names.discard(assignment.folder / "variants.py")
    files = {name.as_posix(): (ROOT / name).read_bytes() for name in names}
    for name in AT_THE_TOP:
        files[name] = (ROOT / TEMPLATES / name).read_bytes()
    text = (ROOT / TEMPLATES / "settings.sh").read_text(encoding="utf-8")
    for key, value in settings.items():
        text = text.replace(f"@{key}@", value)
    files["settings.sh"] = text.encode()
    files["requirements-grading.txt"] = requirements().encode()
    points = {t.name: t.points for t in assignment.todos if not todos or t.name in todos}
    if has_integration and load_task(assignment, ROOT) is not None:
        points[TOGETHER] = assignment.integration_points
    first = Record("submission", assignment.id, pending=points)
    files["first_results.json"] = results_text(first, {}).encode()
    return files


def requirements() -> str:
    """What the container installs, all of it pinned."""
    lines = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if re.match(rf"({'|'.join(PACKAGES)})==", line)]
    if len(pins) != len(PACKAGES):
        raise UserError(f"requirements-dev.txt does not pin all of {', '.join(PACKAGES)}")
    return (ROOT / "requirements.txt").read_text(encoding="utf-8") + "\n".join(pins) + "\n"


def write_zip(path: Path, files: dict[str, bytes]) -> None:
    """Write files in the order of their names, with nothing in it of today or of this machine."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, DATE)
            entry.create_system = 3  # Unix, so that the rights count
            entry.external_attr = (0o755 if name in AT_THE_TOP else 0o644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("assignment", help="an id, such as hw4_sac")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.zip")
    parser.add_argument("--require-tier", choices=TIERS, default="T2", help="refuse less")
    parser.add_argument("--seconds", type=int, default=540, help="stop grading after so many")
    parser.add_argument(
        "--seed", type=int, help="of all students' hidden cases; else new each time"
    )
    parser.add_argument("--todos", nargs="+", default=[], metavar="NAME", help="only these, alone")
    parser.add_argument("--no-integration", action="store_true", help="train no submission")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_main(main)
