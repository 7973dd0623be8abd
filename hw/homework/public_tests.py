"""Checks of a hand-out's public tests, and what they say when a method is wrong."""

import importlib
import inspect
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from hw.homework.cases import Case
from hw.homework.comparison import compare_all
from hw.homework.recipe import Recipe, run_recipe

SECONDS_PER_CASE = 10


def check(case: Case, recipe: Recipe) -> None:
    """Try the method on a case.

    Raises:
        AssertionError: an output differs, or it took too long; one line says which, of what, and
            where the method's card stands.
        NotImplementedError: the method is still blank.
    """
    with time_limit(SECONDS_PER_CASE, case):
        found = run_recipe(recipe, case.inputs)
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
        raise AssertionError(
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
    path = Path(inspect.getsourcefile(found))
    root = Path(__file__).resolve().parents[2]
    return f"{path.relative_to(root) if path.is_relative_to(root) else path}:{line}"


def split_name(method: str) -> list[str]:
    """`package.module.Class.method` as module, class and method; or module and function."""
    parts = method.split(".")
    first = next((i for i, part in enumerate(parts) if part[:1].isupper()), len(parts) - 1)
    return [".".join(parts[:first]), *parts[first:]]
