"""What may be handed in: files by name and size, and the words for what may not."""

import re
import sys
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from hw.infrastructure.errors import UserError

MANIFEST = "manifest.json"
REPORTS = ("report.pdf", "report.md")
RUN_FILES = ("config.yaml", "metrics.jsonl", "snapshots.csv")

# Of a whole submission, packed or not; folders count as files.
MAX_FILES = 500
MAX_BYTES = 50_000_000
MAX_SOURCE_BYTES = 2_000_000
MAX_DEPTH = 8
MAX_NAME_LENGTH = 200
# Of one file, by its name, or else by its suffix.
MAX_FILE_BYTES = {
    ".py": 200_000,
    MANIFEST: 200_000,
    "config.yaml": 50_000,
    "metrics.jsonl": 1_000_000,
    "snapshots.csv": 200_000,
    "report.pdf": 10_000_000,
    "report.md": 1_000_000,
}

STARTUP_FILES = {"sitecustomize.py", "usercustomize.py", "conftest.py", "pytest.ini", "tox.ini"}
COMPILED = {".pyc", ".pyo", ".so", ".pyd", ".dll", ".dylib"}
# Modules that a file in the working directory, or beside a script, would hide.
MODULES = sys.stdlib_module_names | {
    *("torch", "numpy", "scipy", "gymnasium", "mujoco", "ale_py", "cv2", "envpool", "pygame"),
    *("Box2D", "tensorboard", "tensorboardX", "moviepy", "matplotlib", "PIL", "wandb", "yaml"),
    *("pydantic", "tqdm", "typing_extensions", "pytest", "setuptools"),
}
DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # of Windows
HAND_IN = "hand in the zip that `make submit` writes, as it is"


@dataclass(frozen=True)
class Problem:
    """What is wrong with a submission. Only one without errors can be graded.

    Args:
        severity: a warning costs points at most.
        kind: for programs.
        where: a file, `file:line`, a run, an experiment or a TODO.
        message: for people.
    """

    severity: Literal["error", "warning"]
    kind: Literal[
        "forbidden", "size", "encoding", "syntax", "missing", "signature", "decorators",
        "not_implemented", "leftover", "twice", "manifest", "run",
    ]  # fmt: skip
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.where}: {self.message}"


def why_forbidden(path: str) -> str | None:
    """Why a file can be in no submission, whatever it holds; None if it can."""
    parts, name = PurePosixPath(path).parts, PurePosixPath(path).name
    suffix = PurePosixPath(path).suffix.lower()
    if any(part.startswith(".") for part in parts):
        return "is hidden; remove it"
    if name.lower() in STARTUP_FILES or suffix == ".pth":
        return "changes how Python or pytest starts; remove it"
    if suffix in COMPILED:
        return "is compiled; only sources are handed in"
    first = PurePosixPath(parts[2] if parts[:2] == ("hw", "scripts") and parts[2:] else parts[0])
    if suffix == ".py" and first.name.removesuffix(".py") in MODULES:
        return f"hides the module {first.name.removesuffix('.py')}; give it another name"
    return None


def check_name(name: str) -> None:
    """Whether a path stays below the submission's root, on every system.

    Raises:
        UserError: it does not, or it is too long or too deep, or has characters that do not print.
    """
    parts = name.split("/")
    reason = None
    if len(name) > MAX_NAME_LENGTH or len(parts) > MAX_DEPTH:
        reason = "too long or nested too deeply"
    elif name.startswith("/") or ".." in parts:
        reason = "leading out of the submission"
    elif not name.isprintable() or set(name) & set('\\:*?"<>|'):
        reason = "holding characters that not every system allows"
    elif any(part in ("", ".") or part != part.strip(" ").rstrip(".") for part in parts):
        reason = "holding an empty part, or one that begins or ends in a space or a dot"
    elif any(map(DEVICES.fullmatch, parts)):
        reason = "which Windows keeps for a device"
    if reason:
        raise UserError(f"a file has the name {plain(name)}, {reason}; rename it")


def plain(text: object) -> str:
    """Text of a submission in a message: printable, in one line, and not long."""
    plain = "".join(sign if sign.isprintable() else "?" for sign in str(text))
    return plain if len(plain) <= 100 else plain[:97] + "..."
