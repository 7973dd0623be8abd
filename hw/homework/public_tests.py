"""Checks of a hand-out's public tests, and what they say when a method is wrong."""

import importlib
import inspect
import signal
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from hw.homework.cases import Case
from hw.homework.comparison import compare_all
from hw.homework.recipe import Recipe, run_recipe

SECONDS_PER_CASE = 10


class TimeLimitReached(AssertionError):
    """A case took too long."""


def check(case: Case, recipe: Recipe) -> None:
    """Try the method on a case.

    Raises:
        AssertionError: an output differs, it took too long, or it raised; one line says which, of
            what, and where the method's card stands. What was raised is its cause.
        NotImplementedError: the method is still blank.
    """
    try:
        with time_limit(SECONDS_PER_CASE, case):
            found = run_recipe(recipe, case.inputs)
    except (NotImplementedError, TimeLimitReached):
        raise
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".: ")
        raise AssertionError(
            f"{case.todo}, {case.name}: {text}, raised at {place(error, case.method)}. "
            f"Its card: {card(case.method)}"
        ) from error
    difference = compare_all(found, case.expected, case.rtol, case.atol)
    if difference is None:
        return
    quantity = case.quantities.get(difference.name, difference.name)
    details = f"; {difference.example}" if difference.example else ""
    if difference.category == "mutated":
        complaint = difference.summary
    else:
        complaint = f"{quantity} ({difference.name}) {difference.summary}{details}"
    raise AssertionError(f"{case.todo}, {case.name}: {complaint}. Its card: {card(case.method)}")


@contextmanager
def time_limit(seconds: int, case: Case) -> Iterator[None]:
    """Stop an endless loop with a message, where the system has alarms (not on Windows)."""
    can_alarm = hasattr(signal, "SIGALRM")
    if not can_alarm or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(signum: int, frame: FrameType | None) -> None:
        raise TimeLimitReached(
            f"{case.todo}, {case.name}: no result after {seconds} seconds: is there an endless "
            f"loop? Its card: {card(case.method)}"
        )

    previous = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def place(error: Exception, method: str) -> str:
    """The last line that an exception came through in a method's file, else anywhere: `file:line`.

    That of the file is a line of the student's, even where it was PyTorch that complained.
    """
    frames = traceback.extract_tb(error.__traceback__)
    file = inspect.getsourcefile(importlib.import_module(split_name(method)[0]))
    frame = next((frame for frame in reversed(frames) if frame.filename == file), frames[-1])
    return f"{short(Path(frame.filename))}:{frame.lineno}"


def card(method: str) -> str:
    """Where a method's docstring stands, as `file:line`."""
    module_name, *names = split_name(method)
    found = importlib.import_module(module_name)
    for name in names:
        found = getattr(found, name)
    found = inspect.unwrap(found.fget if isinstance(found, property) else found)
    try:
        _, line = inspect.getsourcelines(found)
    except OSError:
        return method
    return f"{short(Path(inspect.getsourcefile(found)))}:{line}"


def short(path: Path) -> Path:
    """A path from the root of the hand-out, if it lies below."""
    root = Path(__file__).resolve().parents[2]
    return path.relative_to(root) if path.is_relative_to(root) else path


def split_name(method: str) -> list[str]:
    """`package.module.Class.method` as module, class and method; or module and function."""
    parts = method.split(".")
    first = next((i for i, part in enumerate(parts) if part[:1].isupper()), len(parts) - 1)
    return [".".join(parts[:first]), *parts[first:]]
