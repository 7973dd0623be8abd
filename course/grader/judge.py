"""From the reply of a process to a verdict; and what of it a student may be told."""

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from course.grader.wire import ProtocolError, decode
from hw.homework.comparison import Difference, compare_all

Category = Literal[
    "",
    "not_implemented",
    "missing",
    "syntax",
    "import",
    "signature",
    "exception",
    "timeout",
    "out_of_memory",
    "crash",
    "protocol",
    "dtype",
    "shape",
    "non_finite",
    "wrong_value",
    "mutated",
    "skipped",
    "ungraded",
]
Outputs = dict[str, np.ndarray]
REPLY_FACTOR = 4
REPLY_SLACK = 64 * 1024
MAX_LINE = 10**5
MAX_WORDS = 200
FILE_SUMMARIES = {
    "missing": "is not in the file any more",
    "syntax": "the file cannot be parsed",
    "signature": "has other arguments than before",
}
# Exceptions whose type says nothing of a hidden input.
PLAIN_ERRORS = frozenset(
    [
        "ArithmeticError",
        "AssertionError",
        "AttributeError",
        "FloatingPointError",
        "ImportError",
        "IndexError",
        "KeyError",
        "LookupError",
        "MemoryError",
        "ModuleNotFoundError",
        "NameError",
        "NotImplementedError",
        "OSError",
        "OverflowError",
        "RecursionError",
        "RuntimeError",
        "StopIteration",
        "SystemExit",
        "TypeError",
        "UnboundLocalError",
        "UnicodeError",
        "ValueError",
        "ZeroDivisionError",
    ]
)


@dataclass(frozen=True)
class Verdict:
    """The judgement of one case.

    Args:
        category: what is wrong first; empty if nothing is.
        summary: in words; of a hidden case it tells neither inputs nor expected values.
        line: of the student's file, where an exception came from.
        outputs: what the method gave, for diagnosis.
        blank: id of the blank TODO that was called, if that is what is wrong.
        seconds: that the case took.
    """

    category: Category
    summary: str = ""
    line: int | None = None
    outputs: Outputs | None = field(default=None, compare=False, repr=False)
    blank: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return self.category == ""


def max_reply_bytes(expected: Outputs) -> int:
    """What the arrays of a reply may take together."""
    return REPLY_FACTOR * sum(array.nbytes for array in expected.values()) + REPLY_SLACK


def judge(
    payload: bytes,
    expected: Outputs,
    quantities: dict[str, str],
    rtol: float,
    atol: float,
    is_hidden: bool,
) -> Verdict:
    """Compare a reply with what the reference gives.

    Args:
        payload: a message of the worker, or of whoever took its place.
        expected: the reference's outputs.
        quantities: what each output is, in words.
        rtol, atol: tolerances.
        is_hidden: whether the case is a hidden one.
    """
    try:
        values, outputs = decode(payload, max_reply_bytes(expected))
    except ProtocolError as error:
        return Verdict("protocol", f"the reply cannot be read: {error}" if not is_hidden else "")
    if "error" in values:
        return _error(values["error"], is_hidden)
    difference = compare_all(outputs, expected, rtol, atol)
    if difference is None:
        return Verdict("", outputs=outputs)
    quantity = quantities.get(difference.name, difference.name)
    category = "shape" if difference.category == "missing" else difference.category
    return Verdict(category, told(difference, quantity, is_hidden), outputs=outputs)


def told(difference: Difference, quantity: str, is_hidden: bool) -> str:
    """What a student may hear of a difference.

    Sizes of errors are rounded to a power of ten: an exact one, with the student's own value, would
    be the expected value. Of a hidden case neither size nor shape nor type is told, for what a
    method returns may be made of its inputs.
    """
    if difference.category == "mutated":
        return difference.summary
    if difference.category == "wrong_value":
        if is_hidden:
            return f"{quantity} has wrong values"
        return f"{quantity} has wrong values, off by about {power_of_ten(difference.error)}"
    if is_hidden and difference.category in ("shape", "dtype"):
        what = "shape" if difference.category == "shape" else "type"
        return f"{quantity} has another {what}"
    return f"{quantity} {difference.summary}"


def power_of_ten(error: float) -> str:
    """A positive number's order of magnitude."""
    if not 0 < error < math.inf:
        return "infinity" if error else "0"
    return f"{10.0 ** round(math.log10(error)):g}"


def _error(error: Any, is_hidden: bool) -> Verdict:
    """The verdict of an error that a process reports; it may be forged, so it is read with care."""
    known = ("not_implemented", "import", "exception", "out_of_memory", *FILE_SUMMARIES)
    category = error.get("category") if isinstance(error, dict) else None
    if not isinstance(category, str) or category not in known:
        return Verdict("protocol", "the reply cannot be read")
    name, message, line = (error.get(key) for key in ("type", "message", "line"))
    # Numbers and texts from the process may carry a hidden input out.
    is_line = type(line) is int and 0 < line <= MAX_LINE and not is_hidden
    line = line if is_line else None
    message = message if isinstance(message, str) else ""
    if category == "not_implemented":
        blank = plain_text(message.partition("TODO(")[2].partition(")")[0], 120)
        return Verdict(category, "still blank", line, blank=blank)
    text = "" if is_hidden else plain_text(message, MAX_WORDS)
    if category in FILE_SUMMARIES:
        return Verdict(category, text or FILE_SUMMARIES[category], line)
    is_plain = isinstance(name, str) and name in PLAIN_ERRORS
    name = name if is_plain else "an exception of its own" if name else ""
    return Verdict(category, ": ".join(part for part in (name, text) if part), line)


def plain_text(text: object, length: int) -> str:
    """Text that others wrote, in one line: printable, and not longer than so many characters."""
    words = " ".join(str(text).split())
    plain = "".join(sign if sign.isprintable() else "?" for sign in words)
    return plain if len(plain) <= length else plain[: length - 3] + "..."


def same_outputs(a: Outputs | None, b: Outputs | None, rtol: float, atol: float) -> bool:
    """Whether two solutions gave the same for a case."""
    if a is None or b is None:
        return False
    return compare_all(a, b, rtol, atol) is None and compare_all(b, a, rtol, atol) is None
