"""Whether an output is what it should be: first its type, then its shape, then its numbers."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Category = Literal["missing", "dtype", "shape", "non_finite", "wrong_value", "mutated"]


@dataclass(frozen=True)
class Difference:
    """What is wrong with one output.

    Args:
        category: the first thing that differs.
        name: of the output.
        summary: what differs, without the expected numbers.
        example: an expected and a found number, for who may see them; else empty.
        error: the largest difference of wrong values.
    """

    category: Category
    name: str
    summary: str
    example: str = ""
    error: float = 0.0


def compare(
    name: str, found: np.ndarray | None, expected: np.ndarray, rtol: float, atol: float
) -> Difference | None:
    """The first difference between two arrays, or None.

    Values agree where |found - expected| <= atol + rtol |expected|, and both are nan or the same
    infinity. Shapes must be equal: (B, 1) is not (B,).
    """
    if found is None:
        return Difference("missing", name, "is missing")
    if found.dtype != expected.dtype:
        return Difference("dtype", name, f"has type {found.dtype}, expected {expected.dtype}")
    if found.shape != expected.shape:
        return Difference("shape", name, f"has shape {found.shape}, expected {expected.shape}")
    if found.dtype.kind == "f" and not np.isfinite(found[np.isfinite(expected)]).all():
        return Difference("non_finite", name, "is not finite")
    agrees = np.isclose(found, expected, rtol=rtol, atol=atol, equal_nan=True)
    if agrees.all():
        return None
    return _wrong_value(name, found, expected, agrees)


def _wrong_value(
    name: str, found: np.ndarray, expected: np.ndarray, agrees: np.ndarray
) -> Difference:
    if name.startswith("after."):
        argument = name.removeprefix("after.")
        return Difference("mutated", name, f"the argument {argument} was changed in place")
    with np.errstate(invalid="ignore"):
        errors = np.abs(found.astype(np.float64) - expected.astype(np.float64))
    errors = np.where(agrees, -1.0, np.nan_to_num(errors, nan=np.inf))
    worst = np.unravel_index(int(errors.argmax()), errors.shape)
    share = f"{np.count_nonzero(~agrees)} of {agrees.size} values" if agrees.ndim else "the value"
    index = ", ".join(str(i) for i in worst)
    where = f" at [{index}]" if worst else ""
    return Difference(
        "wrong_value",
        name,
        f"has wrong values: {share}, off by at most {errors[worst]:.3g}",
        f"expected {expected[worst]:.6g}{where}, got {found[worst]:.6g}",
        float(errors[worst]),
    )


def compare_all(
    found: dict[str, np.ndarray], expected: dict[str, np.ndarray], rtol: float, atol: float
) -> Difference | None:
    """The first difference between outputs of the same names, in the order of the expected.

    Outputs `given_...` are what a method handed on to another. They explain what is wrong, but are
    not wrong by themselves: who gets the right result otherwise is right.
    """
    first = None
    for name, value in expected.items():
        is_explanation = name.startswith("given_")
        if is_explanation and name not in found:
            continue
        difference = compare(name, found.get(name), value, rtol, atol)
        first = first or difference
        if difference is not None and not is_explanation:
            return first
    return None
