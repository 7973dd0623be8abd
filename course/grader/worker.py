"""What runs in the process of one case: it puts the student's method in place, and calls it.

Nothing here is trusted by the grader once the student's code has begun: this process only computes.
It imports nothing of `course` but the modules beside it, which are copied to where it runs.
"""

import ast
import hashlib
import importlib
import importlib.abc
import importlib.util
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import numpy as np

from .splice import SpliceError, find_function, is_blank, splice
from .wire import decode, encode

MAX_JOB_BYTES = 2**30
MAX_JOB_HEADER = 2**24
MAX_MESSAGE = 300


class Job:
    """One case to run.

    Args:
        values: `method` (of the TODO), `file`, `todo`, and the inputs that are no arrays.
        arrays: the student's file as bytes under `student_source`, and the inputs' arrays.
    """

    def __init__(self, values: dict[str, Any], arrays: dict[str, np.ndarray]):
        self.file: str = values["file"]
        self.name: str = values["name"]
        self.inputs: dict[str, Any] = dict(values["inputs"])
        source = arrays.pop("student_source", None)
        self.student_source = None if source is None else source.tobytes().decode()
        self.inputs |= {name.removeprefix("input."): array for name, array in arrays.items()}


def make_job(file: str, name: str, student_source: str | None, inputs: dict[str, Any]) -> bytes:
    """The message that `handle` takes.

    Args:
        file, name: of the TODO: `hw/a/b.py`, `Class.method`.
        student_source: the student's file; None runs the tree as it is.
        inputs: arrays, numbers and strings.
    """
    arrays = {f"input.{k}": v for k, v in inputs.items() if isinstance(v, np.ndarray)}
    plain = {k: v for k, v in inputs.items() if not isinstance(v, np.ndarray)}
    if student_source is not None:
        arrays["student_source"] = np.frombuffer(student_source.encode(), np.uint8)
    values = {"file": file, "name": name, "inputs": plain}
    return encode(values, arrays, MAX_JOB_HEADER)


class OneModule(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from compiled code instead of its file."""

    def __init__(self, name: str, file: str, code: CodeType):
        self.name, self.file, self.code = name, file, code

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        """The module's specification, if it is this one."""
        if fullname != self.name:
            return None
        return importlib.util.spec_from_loader(fullname, self, origin=self.file)

    def exec_module(self, module: ModuleType) -> None:
        """Run the code."""
        module.__file__ = self.file
        exec(self.code, module.__dict__)


def handle(message: bytes) -> bytes:
    """Run one case in this process; the answer is a message too.

    It holds the recipe's outputs, or `error` with a category, the exception's type and message, and
    the line of the student's file.
    """
    values, arrays = decode(message, MAX_JOB_BYTES, MAX_JOB_HEADER)
    if "fingerprint" in values:
        source = arrays["student_source"].tobytes().decode()
        return encode({"fingerprints": fingerprint(source, values["fingerprint"])}, {})
    job = Job(values, arrays)
    try:
        if job.student_source is not None:
            _put_in_place(job)
        recipes = importlib.import_module("recipes").RECIPES
        from hw.homework.recipe import run_recipe

        return encode({}, run_recipe(recipes[job.name], job.inputs))
    except BaseException as error:
        return encode({"error": describe(error, job.file)}, {})


def stay(
    message: bytes,
    receive: Callable[[], bytes | None],
    send: Callable[[bytes], None],
) -> None:
    """Train an agent with all of a student's methods, and then act for whoever asks.

    The first answer says that training is over, or what went wrong; every later message holds
    `observations` (N, *) and is answered by `actions` (N, ...).

    Args:
        message: `experiment` and `settings` of the run, `files` with the TODOs in each, and every
            student's file as bytes.
        receive, send: messages; `receive` gives None at the end.
    """
    values, arrays = decode(message, MAX_JOB_BYTES, MAX_JOB_HEADER)
    file = ""
    try:
        for file, names in values["files"].items():
            _put_all_in_place(file, names, arrays[file].tobytes().decode())
        agent = _train(values["experiment"], values["settings"])
        send(encode({"ready": True}, {}))
    except BaseException as error:
        send(encode({"error": describe(error, file)}, {}))
        return
    while (request := receive()) is not None:
        try:
            _, observations = decode(request, MAX_JOB_BYTES)
            actions = agent.get_action(observations["observations"], deterministic=True)
            send(encode({}, {"actions": np.asarray(actions)}))
        except BaseException as error:
            send(encode({"error": describe(error, file)}, {}))
            return


def fingerprint(source: str, names: list[str]) -> dict[str, str]:
    """A hash of each function's syntax tree, blind to comments, docstrings and local names."""
    module = ast.parse(source)
    found = {}
    for name in names:
        function = find_function(module, name)
        if function is None:
            continue
        local: dict[str, str] = {}
        for node in ast.walk(function):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                local.setdefault(node.id, f"v{len(local)}")
        for node in ast.walk(function):
            if isinstance(node, ast.Name):
                node.id = local.get(node.id, node.id)
        body = function.body[1:] if ast.get_docstring(function) is not None else function.body
        text = "\n".join(ast.dump(statement) for statement in body)
        found[name] = hashlib.sha256(text.encode()).hexdigest()[:16]
    return found


def _train(experiment: str, settings: dict[str, Any]) -> Any:
    from hw.env_configs.assemble import make_trainer
    from hw.env_configs.loading import load_config

    config = load_config(Path(experiment), settings)
    with make_trainer(config, Path(tempfile.mkdtemp()), show_progress=False) as trainer:
        trainer.train()
        return trainer.agent


def _put_all_in_place(file: str, names: list[str], student_source: str) -> None:
    blank_source = Path(file).read_text(encoding="utf-8")
    for name in names:
        if is_blank(student_source, name):
            raise NotImplementedError(f"TODO(*.{name})")
    tree = splice(blank_source, student_source, *names)
    code = compile(tree, file, "exec")
    module = ".".join(Path(file).with_suffix("").parts)
    sys.meta_path.insert(0, OneModule(module, file, code))
    sys.modules.pop(module, None)


def _put_in_place(job: Job) -> None:
    _put_all_in_place(job.file, [job.name], job.student_source)


def describe(error: BaseException, file: str) -> dict[str, Any]:
    """What went wrong, as far as it may be told: category, type, message, line of the file."""
    if isinstance(error, SpliceError):
        return {
            "category": error.category,
            "type": "",
            "message": str(error)[:MAX_MESSAGE],
            "line": error.line,
        }
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == file
    ]
    try:
        message = str(error)[:MAX_MESSAGE]
    except BaseException:
        message = ""  # its __str__ is the student's too
    if isinstance(error, NotImplementedError) and message.startswith("TODO("):
        category = "not_implemented"
    elif isinstance(error, MemoryError):
        category = "out_of_memory"
    elif isinstance(error, SyntaxError):
        category = "syntax"
    elif isinstance(error, ImportError):
        category = "import"
    else:
        category = "exception"
    name = type(error).__name__[:60]
    line = lines[-1] if lines else None
    return {"category": category, "type": name, "message": message, "line": line}
