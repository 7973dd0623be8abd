"""What runs in the process of one case: it puts the student's method in place, and calls it.

Nothing here is trusted by the grader once the student's code has begun: this process only computes.
It imports nothing of `course` but the modules beside it, which are copied to where it runs.
"""

import importlib
import importlib.abc
import importlib.util
import sys
import traceback
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import numpy as np

from .splice import SpliceError, is_blank, splice
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

    def __init__(self, message: bytes):
        values, arrays = decode(message, MAX_JOB_BYTES, MAX_JOB_HEADER)
        self.file: str = values["file"]
        self.name: str = values["name"]
        self.module: str = values["module"]
        self.inputs: dict[str, Any] = dict(values["inputs"])
        source = arrays.pop("student_source", None)
        self.student_source = None if source is None else source.tobytes().decode()
        self.inputs |= {name.removeprefix("input."): array for name, array in arrays.items()}


def make_job(
    module: str, file: str, name: str, student_source: str | None, inputs: dict[str, Any]
) -> bytes:
    """The message that `handle` takes.

    Args:
        module, file, name: of the TODO: `hw.a.b`, `hw/a/b.py`, `Class.method`.
        student_source: the student's file; None runs the tree as it is.
        inputs: arrays, numbers and strings.
    """
    arrays = {f"input.{k}": v for k, v in inputs.items() if isinstance(v, np.ndarray)}
    plain = {k: v for k, v in inputs.items() if not isinstance(v, np.ndarray)}
    if student_source is not None:
        arrays["student_source"] = np.frombuffer(student_source.encode(), np.uint8)
    values = {"module": module, "file": file, "name": name, "inputs": plain}
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
    job = Job(message)
    try:
        if job.student_source is not None:
            _put_in_place(job)
        recipes = importlib.import_module("recipes").RECIPES
        from hw.homework.recipe import run_recipe

        return encode({}, run_recipe(recipes[job.name], job.inputs))
    except BaseException as error:
        return encode({"error": describe(error, job.file)}, {})


def _put_in_place(job: Job) -> None:
    if is_blank(job.student_source, job.name):
        raise NotImplementedError(f"TODO(*.{job.name})")
    blank_source = Path(job.file).read_text(encoding="utf-8")
    tree = splice(blank_source, job.student_source, job.name)
    code = compile(tree, job.file, "exec")
    sys.meta_path.insert(0, OneModule(job.module, job.file, code))
    sys.modules.pop(job.module, None)


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
