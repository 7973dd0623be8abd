"""The files of a hand-out."""

import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from course.handout.blanking import take_out
from course.handout.notebook import make_notebook
from course.handout.public_tests import make_public_tests
from course.manifest import Assignment, Todo, load_course
from hw.homework.sources import declaration
from hw.infrastructure.errors import UserError

ALWAYS = ["LICENSE", "hw/**/*.py"]
TEMPLATES = Path("course/handout/templates")


@dataclass
class Handout:
    """What a student gets.

    Args:
        assignment: which.
        files: contents by path.
        solutions: the bodies that were taken out, by file and by name.
    """

    assignment: Assignment
    files: dict[Path, bytes] = field(default_factory=dict)
    solutions: dict[Path, dict[str, str]] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write all files into a new folder.

        Raises:
            UserError: it exists and is not empty.
        """
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(f"{folder} exists already; name a new folder")
        for path, content in sorted(self.files.items()):
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)

    def write_zip(self, path: Path) -> None:
        """Write all files into a zip, below a folder named after the assignment.

        The same files give the same bytes.

        Raises:
            UserError: the zip exists.
        """
        if path.exists():
            raise UserError(f"{path} exists already; name a new folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in sorted(self.files.items()):
                entry = zipfile.ZipInfo(f"{self.assignment.id}/{name.as_posix()}")
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, content)


def make_handout(assignment: Assignment, root: Path = Path(".")) -> Handout:
    """The hand-out of an assignment, made from the sources below `root`.

    Later assignments' files are left out; where a file is shared, their methods are blank too.
    """
    course = load_course(root)
    handout = Handout(assignment)
    for path in included_files(assignment, course, root):
        handout.files[path] = (root / path).read_bytes()
    blanks = blanks_by_file(assignment, course)
    for path, messages in blanks.items():
        if path in handout.files:
            source, bodies = take_out(handout.files[path].decode(), messages)
            handout.files[path] = source.encode()
            handout.solutions[path] = bodies
    handout.files |= make_public_tests(assignment, root)
    handout.files |= student_files(assignment, sorted(handout.solutions), root)
    return handout


def included_files(assignment: Assignment, course: list[Assignment], root: Path) -> list[Path]:
    """Paths of the sources and experiments that this hand-out copies."""
    later = [a for a in course if a.id > assignment.id]
    so_far = [a for a in course if a.id <= assignment.id]
    left_out = {path for a in later for path in _matches(a.brings, root)}
    wanted = set(_matches(ALWAYS, root))
    wanted |= {path for a in so_far for path in _matches(a.brings, root)}
    wanted |= _matches([f"experiments/learning/{assignment.id}.*"], root)
    return sorted(wanted - left_out)


def _matches(patterns: list[str], root: Path) -> set[Path]:
    found = set()
    for pattern in patterns:
        matches = [path.relative_to(root) for path in root.glob(pattern) if path.is_file()]
        if not matches:
            raise UserError(f"nothing matches {pattern!r}")
        found |= {path for path in matches if "__pycache__" not in path.parts}
    return found


def blanks_by_file(assignment: Assignment, course: list[Assignment]) -> dict[Path, dict[str, str]]:
    """What stands in place of each method that this hand-out leaves blank, by file and name."""
    blanks: dict[Path, dict[str, str]] = {}
    for other in course:
        if other.id >= assignment.id:
            for todo in other.todos:
                message = todo_message(other, todo, is_due=other.id == assignment.id)
                blanks.setdefault(todo.file, {})[todo.name] = message
    return blanks


def todo_message(assignment: Assignment, todo: Todo, is_due: bool = True) -> str:
    """What a blank raises."""
    what = "write what the docstring says" if is_due else "a later assignment's"
    return f"TODO({assignment.todo_id(todo)}): {what}"


def student_files(assignment: Assignment, blanked: list[Path], root: Path) -> dict[Path, bytes]:
    """README, Makefile and other files that are made for students."""
    made = {}
    for path in sorted((root / TEMPLATES).iterdir()):
        text = path.read_text(encoding="utf-8")
        text = text.replace("@ASSIGNMENT@", assignment.id).replace("@TITLE@", assignment.title)
        ignores = "".join(f'"{path.as_posix()}" = ["F401"]\n' for path in blanked)
        made[Path(path.stem)] = text.replace("@BLANKED@\n", ignores).encode()
    made[Path("requirements.txt")] = (root / "requirements.txt").read_bytes()
    made[Path("colab.ipynb")] = make_notebook(assignment)
    if not (root / assignment.folder / "handout.md").exists():
        raise UserError(f"{assignment.folder} has no handout.md")
    made[Path("README.md")] = (root / assignment.folder / "handout.md").read_bytes()
    for figure in sorted((root / assignment.folder).glob("figures/*")):
        made[Path("figures", figure.name)] = figure.read_bytes()
    summary = {
        "assignment": assignment.id,
        "title": assignment.title,
        "todos": [
            {
                "id": assignment.todo_id(todo),
                "method": todo.method,
                "file": todo.file.as_posix(),
                "name": todo.name,
                "points": todo.points,
            }
            | declaration((root / todo.file).read_text(encoding="utf-8"), todo.name)
            for todo in assignment.todos
        ],
        "experiments": assignment.experiments,
    }
    made[Path("assignment.json")] = (json.dumps(summary, indent=2) + "\n").encode()
    return made
