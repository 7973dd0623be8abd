"""What to grade, how, and from what it can be repeated."""

import hashlib
import importlib.metadata
import json
import platform
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from course.grader.grading import digest
from course.grader.integration import load_task
from course.grader.records import TOGETHER, write_whole
from course.grader.sandbox import Tier
from course.manifest import Assignment, Todo
from hw.infrastructure.errors import UserError

PACKAGES = ("torch", "numpy", "gymnasium")
OWN_FILES = ("report.html", "grades.csv", "session.json")
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
