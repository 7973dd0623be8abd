"""A submission: how it is read from a folder or an untrusted archive, and what is wrong with it.

Nothing of it is imported or executed. Sources, YAML and JSON are parsed: made to be hostile, a file
may cost a second and 200 MB, so a grader does this in a process with limits.
"""

import ast
import gzip
import hashlib
import io
import json
import math
import os
import re
import stat
import sys
import tokenize
import unicodedata
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Literal, NoReturn

import yaml

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

MAX_BRACKETS = 500  # in YAML

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
class Declaration:
    """A function as it stands in a source.

    Args:
        line: of its `def`.
        signature: names of the arguments, in parentheses.
        decorators: as they are written, without `@`.
        is_blank: it only raises `NotImplementedError("TODO(...)")`.
        leftover: line of such a statement beside others.
    """

    line: int
    signature: str
    decorators: tuple[str, ...]
    is_blank: bool
    leftover: int | None


@dataclass(frozen=True)
class Run:
    """What the files of a run say; nothing vouches for it.

    Args:
        name: of its directory.
        settings: of config.yaml.
        step: the last that was logged.
        is_finished: its budget is spent, and it was evaluated at the end.
        eval_return: of the last evaluation.
    """

    name: str
    settings: dict[str, Any]
    step: int
    is_finished: bool
    eval_return: float | None

    def is_of(self, experiment: dict[str, Any]) -> bool:
        """Whether it ran this experiment, whatever its seed and budget."""
        return all(
            self.settings.get(key) == experiment.get(key, default)
            for key, default in (("base_config", None), ("env_name", None), ("exp_name", "default"))
        )

    def age_key(self) -> tuple[str, int]:
        """Grows with the time at which it began, which its name ends in."""
        match = re.search(r"_(\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d)(?:-(\d{1,2}))?$", self.name)
        return (match[1], int(match[2] or 1)) if match else ("", 0)


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


# What is wrong with it


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
        manifest = _read_json(submission.files[MANIFEST][: MAX_FILE_BYTES[MANIFEST]])
        found, sums = manifest["assignment"], manifest["files"]
    except (KeyError, ValueError):
        found = None
    if not isinstance(found, str):
        yield problem("error", f"cannot be read; {HAND_IN}")
        return
    if found != assignment.id:
        yield problem("error", f"is of {_plain(found)}, not of {assignment.id}")
    if sums != checksums(submission.files):
        yield problem("warning", f"does not agree with the files; {HAND_IN}")


def checksums(files: dict[str, bytes]) -> dict[str, str]:
    """The SHA-256 of each file but the manifest, by path, sorted."""
    paths = sorted(path for path in files if path != MANIFEST)
    return {path: hashlib.sha256(files[path]).hexdigest() for path in paths}


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
        message = f"{todo.name} takes {_plain(found.signature)}, but should take {todo.signature}"
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


# What a hand-out says of itself


def read_summary(root: Path) -> AssignmentSummary:
    """Read `assignment.json` in a hand-out's root, and the experiments that it names.

    Raises:
        UserError: one of them is missing or damaged.
    """
    path = root / "assignment.json"
    try:
        content = _read_json(path.read_bytes())
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


def read_settings(path: Path) -> dict[str, Any]:
    """The settings of an experiment's file.

    Raises:
        UserError: it is no YAML file of settings.
        OSError: it cannot be read.
    """
    try:
        return _read_yaml(path.read_bytes())
    except ValueError as error:
        raise UserError(f"{path} is damaged: {error}") from error


def declaration(source: str, name: str) -> dict[str, Any]:
    """What `assignment.json` records of a TODO, so that changes of it are found.

    Args:
        source: of its module.
        name: `Class.method`, or `function`.

    Raises:
        KeyError: there is no such function.
    """
    found = find_declarations(ast.parse(source))[name][-1]
    return {"signature": found.signature, "decorators": list(found.decorators)}


# Sources


def read_source(path: str, content: bytes) -> dict[str, list[Declaration]] | Problem:
    """The functions of a source by name, each as often as it is defined, or why it has none."""
    limit = MAX_FILE_BYTES[".py"]
    if len(content) > limit:
        return Problem("error", "size", path, f"is larger than {limit} bytes")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        if encoding not in ("utf-8", "utf-8-sig"):
            message = f"declares itself as {_plain(encoding)}; save it as UTF-8"
            return Problem("error", "encoding", path, message)
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        return Problem("error", "encoding", f"{path}:{line}", "is not UTF-8; save it as UTF-8")
    except SyntaxError:
        return Problem("error", "encoding", path, "is not UTF-8; save it as UTF-8")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return find_declarations(ast.parse(text))
    except SyntaxError as error:
        where = f"{path}:{error.lineno}" if error.lineno else path
        return Problem("error", "syntax", where, f"does not parse: {_plain(error.msg)}")
    except (RecursionError, MemoryError):
        return Problem("error", "syntax", path, "does not parse: it is nested too deeply")
    except Exception as error:  # the parser may fail in ways of its own
        return Problem("error", "syntax", path, f"does not parse: {_plain(error)}")


def find_declarations(module: ast.Module) -> dict[str, list[Declaration]]:
    """The functions at the top of a module and of its classes, by name, in their order."""
    found: dict[str, list[Declaration]] = {}

    def visit(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.ClassDef):
                visit(node.body, f"{prefix}{node.name}.")
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found.setdefault(prefix + node.name, []).append(_declaration(node))

    visit(module.body, "")
    return found


def _declaration(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Declaration:
    body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
    is_blank = len(body) == 1 and _is_todo(body[0])
    leftovers = [child.lineno for child in ast.walk(node) if _is_todo(child)]
    return Declaration(
        node.lineno,
        _signature(node),
        tuple(ast.unparse(decorator) for decorator in node.decorator_list),
        is_blank,
        None if is_blank else min(leftovers, default=None),
    )


def _is_todo(node: ast.AST) -> bool:
    """Whether it is `raise NotImplementedError("TODO(...)...")`."""
    call = node.exc if isinstance(node, ast.Raise) else None
    if not isinstance(call, ast.Call) or len(call.args) != 1:
        return False
    message = call.args[0]
    is_text = isinstance(message, ast.Constant) and isinstance(message.value, str)
    is_error = isinstance(call.func, ast.Name) and call.func.id == "NotImplementedError"
    return is_error and is_text and message.value.startswith("TODO(")


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """`(self, a, *, b)`: names and kinds of the arguments, without types and defaults."""
    arguments = node.args
    names = [argument.arg for argument in arguments.posonlyargs]
    names += ["/"] if names else []
    names += [argument.arg for argument in arguments.args]
    if arguments.vararg:
        names.append(f"*{arguments.vararg.arg}")
    elif arguments.kwonlyargs:
        names.append("*")
    names += [argument.arg for argument in arguments.kwonlyargs]
    names += [f"**{arguments.kwarg.arg}"] if arguments.kwarg else []
    return f"{'async ' * isinstance(node, ast.AsyncFunctionDef)}({', '.join(names)})"


# Runs


def read_run(name: str, config: bytes | None, metrics: bytes | None) -> Run:
    """What the files of a run say.

    Raises:
        UserError: one is missing or damaged.
    """
    if config is None or metrics is None:
        raise UserError(f"has no {RUN_FILES[0] if config is None else RUN_FILES[1]}")
    if len(config) > MAX_FILE_BYTES["config.yaml"]:
        raise UserError("has a config.yaml that is too large")
    try:
        settings = _read_yaml(config)
    except ValueError as error:
        raise UserError(f"has a damaged config.yaml: {error}") from error
    last_step = last_evaluation = num_episodes = 0
    eval_return = None
    for line in metrics.splitlines():
        try:
            row = _read_json(line)
            step = row["step"]
        except (ValueError, KeyError, TypeError):
            continue  # a line that was not written to its end
        last_step = step if type(step) is int else last_step
        num_episodes = row.get("train/num_episodes", num_episodes)
        if "eval/return_mean" in row:
            eval_return, last_evaluation = _finite(row["eval/return_mean"]), last_step
    budget, spent = settings.get("total_steps"), last_step
    if budget is None:
        budget, spent = settings.get("total_episodes"), num_episodes
    is_spent = type(budget) is int and type(spent) is int and spent >= budget
    is_finished = is_spent and last_evaluation == last_step > 0
    return Run(name, settings, last_step, is_finished, eval_return)


def _finite(value: Any) -> float | None:
    """A number that is finite; None for all else."""
    try:
        return float(value) if type(value) in (int, float) and math.isfinite(value) else None
    except OverflowError:
        return None


def _read_json(content: bytes) -> dict[str, Any]:
    """A JSON object; ValueError for anything else."""
    try:
        value = json.loads(content)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


class _Loader(yaml.SafeLoader):
    """Safe YAML without merge keys, of which a few lines make millions of entries."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Leave `<<` as it is; no constructor knows it."""


def _read_yaml(content: bytes) -> dict[str, Any]:
    """A YAML mapping; ValueError for anything else."""
    if content.count(b"[") + content.count(b"{") > MAX_BRACKETS:  # they take quadratic time
        raise ValueError("it has too many brackets")
    try:
        value = yaml.load(content.decode("utf-8"), _Loader)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ValueError(f"{line}{_plain(error.problem)}") from error
    except Exception as error:  # values that fit no type raise errors of many kinds
        raise ValueError("it is no YAML") from error
    if not isinstance(value, dict):
        raise ValueError("it holds no settings")
    return value


# Reading what somebody sent


def open_submission(path: Path, into: Path) -> Submission:
    """Read a submission, and write it into a new folder.

    Args:
        path: a folder, or a zip, tar or tar.gz file.
        into: a folder that does not exist yet, or is empty.

    Raises:
        UserError: as `read_submission`; then nothing is written.
    """
    submission = read_submission(path)
    submission.write(into)
    return submission


def read_submission(path: Path) -> Submission:
    """Read a submission from a folder, or a zip, tar or tar.gz file, none of which is trusted.

    Raises:
        UserError: it is damaged, too large, or holds what no submission may: links, devices, a name
            that leads out of it or that not every system can write, a name twice, encrypted files.
    """
    intake = Intake()
    try:
        if path.is_dir():
            _read_folder(path, "", intake)
        elif not path.is_file():
            raise UserError("there is no such file")
        else:
            _read_archive(path, intake)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or 'damaged'}") from error
    except Exception as error:  # a damaged archive may fail in any way
        raise UserError(f"{path}: cannot be read: it is damaged") from error
    return Submission(intake.files)


class Intake:
    """Takes in the files of a submission one by one, and refuses what none may hold."""

    def __init__(self):
        self.files: dict[str, bytes] = {}
        self.num_entries = 0
        self.num_bytes = 0
        self._file_keys: set[str] = set()
        self._folder_keys: set[str] = set()

    def add(self, name: str, stream: BinaryIO) -> None:
        """Read a file to its end.

        Raises:
            UserError: its name is forbidden or was there already, or the limits are exceeded.
        """
        check_name(name)
        self._enter(name, is_folder=False)
        content = stream.read(MAX_BYTES - self.num_bytes + 1)
        self.num_bytes += len(content)
        if self.num_bytes > MAX_BYTES:
            raise UserError(f"holds more than {MAX_BYTES} bytes")
        self.files[name] = content

    def add_folder(self, name: str) -> None:
        """Take note of a folder.

        Raises:
            UserError: as `add`.
        """
        check_name(name)
        self._enter(name, is_folder=True)

    def _enter(self, name: str, is_folder: bool) -> None:
        self.num_entries += 1
        if self.num_entries > MAX_FILES:
            raise UserError(f"holds more than {MAX_FILES} files")
        key = unicodedata.normalize("NFC", name).casefold()  # some systems take them for the same
        parts = key.split("/")
        folders = {"/".join(parts[:i]) for i in range(1, len(parts) + is_folder)}
        is_taken = not is_folder and key in self._file_keys | self._folder_keys
        if is_taken or folders & self._file_keys:
            raise UserError(f"holds {_plain(name)} twice")
        self._folder_keys |= folders
        self._file_keys |= set() if is_folder else {key}


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
        raise UserError(f"a file has the name {_plain(name)}, {reason}; rename it")


def _read_folder(folder: Path, prefix: str, intake: Intake) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            name = prefix + entry.name
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                intake.add_folder(name)
                _read_folder(Path(entry.path), f"{name}/", intake)
            elif stat.S_ISREG(mode):
                with open(entry.path, "rb") as file:
                    intake.add(name, file)
            else:
                _refuse_kind(name)


def _read_archive(path: Path, intake: Intake) -> None:
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise UserError(f"is larger than {MAX_BYTES} bytes")
    if content.startswith(b"PK\3\4"):
        _read_zip(content, intake)
        return
    if content.startswith(b"\x1f\x8b"):
        limit = MAX_BYTES + 1024 * MAX_FILES  # with headers
        content = gzip.GzipFile(fileobj=io.BytesIO(content)).read(limit + 1)
        if len(content) > limit:
            raise UserError(f"holds more than {MAX_BYTES} bytes")
    if content[257:262] != b"ustar":
        raise UserError(f"is neither a zip nor a tar file; {HAND_IN}")
    _read_tar(content, intake)


def _read_zip(content: bytes, intake: Intake) -> None:
    # Each entry of the directory begins so: count them before any is read.
    if content.count(b"PK\1\2") > MAX_FILES:
        raise UserError(f"holds more than {MAX_FILES} files")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = sorted(archive.infolist(), key=lambda entry: entry.header_offset)
        ends = [entry.header_offset + 30 + entry.compress_size for entry in entries]
        begins = [entry.header_offset for entry in entries[1:]] + [len(content)]
        if any(end > begin for end, begin in zip(ends, begins, strict=True)):
            raise UserError(f"holds files that overlap; {HAND_IN}")
        for entry in archive.infolist():
            name = entry.orig_filename
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if entry.flag_bits & 0x2041:
                raise UserError(f"{_plain(name)} is encrypted; {HAND_IN}")
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                _refuse_kind(name)
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise UserError(f"{_plain(name)} is compressed in an unusual way; {HAND_IN}")
            if name.endswith("/"):
                intake.add_folder(name[:-1])
            else:
                with archive.open(entry) as stream:
                    intake.add(name, stream)


def _read_tar(content: bytes, intake: Intake) -> None:
    """Read a tar file. `tarfile` can be made to hang by its headers, so it is not used."""
    start, long_name, num_headers = 0, None, 0
    while header := content[start : start + 512].rstrip(b"\0"):
        header = header.ljust(512, b"\0")
        num_headers += 1
        total = sum(header) - sum(header[148:156]) + 8 * ord(" ")
        size = _octal(header[124:136])
        data = content[start + 512 : start + 512 + size]
        if _octal(header[148:156]) != total or len(data) != size:
            raise UserError("cannot be read: it is damaged")
        start += 512 + math.ceil(size / 512) * 512
        kind = header[156:157]
        if num_headers > 4 * MAX_FILES or (kind in b"Lx" and size > 10_000):
            raise UserError(f"holds more than {MAX_FILES} files, or names without end")
        if kind == b"L":
            long_name = data.rstrip(b"\0")
        elif kind == b"x":
            long_name = _pax_path(data) or long_name
        elif kind != b"g":  # which says something of all files
            prefix = header[345:500] if header[257:263] == b"ustar\0" else b""
            parts = [part.split(b"\0")[0] for part in (prefix, header[:100])]
            name = (long_name or b"/".join(part for part in parts if part)).decode("utf-8")
            long_name = None
            _add_tar_entry(name, kind, data, intake)


def _add_tar_entry(name: str, kind: bytes, data: bytes, intake: Intake) -> None:
    if kind not in (b"0", b"\0", b"5"):
        _refuse_kind(name)
    is_folder = kind == b"5" or name.endswith("/")
    if is_folder and name in (".", "./"):
        return
    name = name.removeprefix("./")
    if is_folder:
        intake.add_folder(name.removesuffix("/"))
    else:
        intake.add(name, io.BytesIO(data))


def _pax_path(data: bytes) -> bytes | None:
    """The path in an extended header, whose records are `length key=value` and a new line."""
    path = None
    start = 0
    while start < len(data):
        length = data[start : start + 10].split(b" ")[0]
        if not length.isdigit() or not 0 < int(length) <= len(data) - start:
            raise UserError("cannot be read: it is damaged")
        record = data[start + len(length) + 1 : start + int(length)]
        key, _, value = record.removesuffix(b"\n").partition(b"=")
        if key == b"size" or key.startswith(b"GNU.sparse"):
            raise UserError(f"holds a file in an unusual form; {HAND_IN}")
        path = value if key == b"path" else path
        start += int(length)
    return path


def _octal(field_bytes: bytes) -> int:
    return int(field_bytes.strip(b" \0").decode("ascii") or "0", 8)


def _refuse_kind(name: str) -> NoReturn:
    raise UserError(f"{_plain(name)} is a link or a device, not a file; {HAND_IN}")


def _plain(text: object) -> str:
    """Text of a submission in a message: printable, in one line, and not long."""
    plain = "".join(sign if sign.isprintable() else "?" for sign in str(text))
    return plain if len(plain) <= 100 else plain[:97] + "..."
