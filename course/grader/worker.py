"""What runs in the process of one case: it puts the student's method in place, and calls it.

Nothing here is trusted by the grader once the student's code has begun: this process only computes.
It imports nothing of `course` but the modules beside it, which are copied to where it runs.
"""

import ast
import contextlib
import functools
import hashlib
import importlib
import importlib.abc
import importlib.util
import resource
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import numpy as np

from .splice import NOT_THE_STUDENTS, SpliceError, find_function, is_blank, is_written, splice
from .wire import decode, encode

MAX_JOB_BYTES = 2**30
MAX_JOB_HEADER = 2**24
MAX_MESSAGE = 300
OUT_OF_MEMORY = {"category": "out_of_memory", "type": "", "message": "", "line": None}


def make_job(
    file: str,
    name: str,
    student_source: str | None,
    inputs: dict[str, Any],
    others: Sequence[str] = (),
) -> bytes:
    """The message for one case.

    Args:
        file, name: of the TODO: `hw/a/b.py`, `Class.method`.
        student_source: the student's file; None runs the tree as it is.
        inputs: arrays, numbers and strings.
        others: further functions to take from the student's file, where it has them.
    """
    arrays = {f"input.{k}": v for k, v in inputs.items() if isinstance(v, np.ndarray)}
    plain = {k: v for k, v in inputs.items() if not isinstance(v, np.ndarray)}
    if student_source is not None:
        arrays["student_source"] = as_bytes(student_source)
    values = {"file": file, "name": name, "inputs": plain, "others": list(others)}
    return encode(values, arrays, MAX_JOB_HEADER)


def as_bytes(text: str) -> np.ndarray:
    """A text as messages carry it."""
    return np.frombuffer(text.encode(), np.uint8)


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


def answer(
    message: bytes, receive: Callable[[], bytes | None], send: Callable[[bytes], None]
) -> None:
    """Do what the first message of a process asks for.

    Args:
        message: for `handle` or for `stay`.
        receive, send: further messages; `receive` gives None at the end.
    """
    values, arrays = decode(message, MAX_JOB_BYTES, MAX_JOB_HEADER)
    if "experiment" in values:
        stay(values, arrays, receive, send)
    else:
        send(handle(values, arrays))


def handle(values: dict[str, Any], arrays: dict[str, np.ndarray]) -> bytes:
    """Run one case in this process; the answer is a message too.

    It holds the recipe's outputs, or `error` with a category, the exception's type and message, and
    the line of the student's file.
    """
    if "fingerprint" in values:
        source = arrays["student_source"].tobytes().decode()
        return encode({"fingerprints": fingerprint(source, values["fingerprint"])}, {})
    file, name = values["file"], values["name"]
    inputs = values["inputs"] | {
        key.removeprefix("input."): array
        for key, array in arrays.items()
        if key.startswith("input.")
    }
    try:
        if "student_source" in arrays:
            source = _text(arrays["student_source"])
            names = [name, *(other for other in values["others"] if is_written(source, other))]
            put_in_place(file, [(source, names, True)])
        recipes = importlib.import_module("recipes").RECIPES
        from hw.homework.recipe import run_recipe

        return encode({}, run_recipe(recipes[name], inputs))
    except BaseException as error:
        return report(error, file)


def stay(
    values: dict[str, Any],
    arrays: dict[str, np.ndarray],
    receive: Callable[[], bytes | None],
    send: Callable[[bytes], None],
) -> None:
    """Train an agent with all of a student's methods, and then act for whoever asks.

    The first answer says that training is over, or what went wrong; every later message holds
    `observations` (N, *) and is answered by `actions` (N, ...).

    Args:
        values: `experiment` and `settings` of the run, `files` with the TODOs in each, and `fills`
            with those of them that are not the student's.
        arrays: every student's file as bytes, and what fills it under `fill.FILE`.
        receive, send: messages; `receive` gives None at the end.
    """
    file = ""
    try:
        for file, names in values["files"].items():
            source, filled = _text(arrays[file]), values.get("fills", {}).get(file, [])
            own = [name for name in names if name not in filled]
            for name in own:
                if is_blank(source, name):
                    raise NotImplementedError(f"TODO(*.{name})")
            parts = [(source, own, True)] if own else []
            if filled:
                parts.append((_text(arrays[f"fill.{file}"]), filled, False))
            put_in_place(file, parts)
        agent = _train(values["experiment"], values["settings"])
        send(encode({"ready": True}, {}))
        while (request := receive()) is not None:
            _, observations = decode(request, MAX_JOB_BYTES)
            actions = agent.get_action(observations["observations"], deterministic=True)
            send(encode({}, {"actions": np.asarray(actions)}))
    except BaseException as error:
        send(report(error, file))


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

    with contextlib.suppress(ImportError):  # TensorBoard's files need locks that Landlock refuses
        from hw.infrastructure import logger

        logger.SummaryWriter = functools.partial(logger.SummaryWriter, write_to_disk=False)

    config = load_config(Path(experiment), settings)
    with make_trainer(config, Path(tempfile.mkdtemp()), show_progress=False) as trainer:
        trainer.train()
        return trainer.agent


def put_in_place(file: str, pieces: Sequence[tuple[str, Sequence[str], bool]]) -> None:
    """Let the module of a file be the blank one with functions of other sources in it.

    Args:
        file: within the tree.
        pieces: source, names of functions to take from it, and whether it is the student's.
    """
    tree = splice(Path(file).read_text(encoding="utf-8"), pieces)
    module = ".".join(Path(file).with_suffix("").parts)
    sys.meta_path.insert(0, OneModule(module, file, compile(tree, file, "exec")))
    sys.modules.pop(module, None)


def _text(array: np.ndarray) -> str:
    return array.tobytes().decode()


def report(error: BaseException, file: str) -> bytes:
    """The message that says what went wrong."""
    if isinstance(error, MemoryError):
        # Let go of what has filled it, and take the reserve.
        traceback.clear_frames(error.__traceback__)
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        return encode({"error": OUT_OF_MEMORY}, {})
    return encode({"error": describe(error, file)}, {})


def describe(error: BaseException, file: str) -> dict[str, Any]:
    """What went wrong, as far as it may be told: category, type, message, line of the file."""
    if isinstance(error, SpliceError):
        return {
            "category": error.category,
            "type": "",
            "message": printable(str(error)),
            "line": error.line,
        }
    try:
        message = printable(str(error))
    except BaseException:
        message = ""  # its __str__ is the student's too
    if isinstance(error, NotImplementedError) and message.startswith("TODO("):
        category = "not_implemented"
    elif isinstance(error, RuntimeError) and "DefaultCPUAllocator" in message:
        return OUT_OF_MEMORY
    elif isinstance(error, SyntaxError):
        category = "syntax"
    elif isinstance(error, ImportError):
        category = "import"
    else:
        category = "exception"
    name = printable(type(error).__name__)[:60]
    return {"category": category, "type": name, "message": message, "line": _line(error, file)}


def _line(error: BaseException, file: str) -> int | None:
    """The last line of the student's file that an exception came through."""
    if isinstance(error, SyntaxError) and error.filename == file:
        return error.lineno if 0 < (error.lineno or 0) < NOT_THE_STUDENTS else None
    frames = traceback.walk_tb(error.__traceback__)
    lines = [line for frame, line in frames if frame.f_code.co_filename == file]
    lines = [line for line in lines if line is not None and 0 < line < NOT_THE_STUDENTS]
    return lines[-1] if lines else None


def printable(text: str) -> str:
    """A text that can be shown anywhere, on one line, and not too long."""
    short = " ".join(text[: 4 * MAX_MESSAGE].split())[:MAX_MESSAGE]
    return "".join(c if c.isprintable() else "?" for c in short)
