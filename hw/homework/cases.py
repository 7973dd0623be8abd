"""Cases: the inputs on which a method is tried, and what it should give for them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """One public case of a TODO.

    Args:
        todo: the TODO's id.
        method: its full name, `module.Class.method`.
        name: what is tried, in words.
        inputs: arrays, numbers and strings.
        expected: arrays by the name of the output.
        quantities: what each output is, in words.
        rtol, atol: how far a value may be off, relative and absolute.
    """

    todo: str
    method: str
    name: str
    inputs: dict[str, Any]
    expected: dict[str, np.ndarray]
    quantities: dict[str, str]
    rtol: float
    atol: float

    def __str__(self) -> str:
        return self.name


def save_cases(path: Path, cases: list[Case]) -> None:
    """Write cases as JSON, the same bytes for the same cases."""
    rows = [{name: encode(value) for name, value in vars(case).items()} for case in cases]
    text = ",\n".join(json.dumps(row) for row in rows)
    path.write_text(f"[\n{text}\n]\n", encoding="utf-8")


def load_cases(path: Path) -> dict[str, list[Case]]:
    """The cases of each TODO, by its id."""
    cases: dict[str, list[Case]] = {}
    for row in json.loads(path.read_text(encoding="utf-8")):
        case = Case(**{name: decode(value) for name, value in row.items()})
        cases.setdefault(case.todo, []).append(case)
    return cases


def encode(value: Any) -> Any:
    """A value as JSON has it; an array becomes its type, shape and numbers, exactly."""
    if isinstance(value, dict):
        return {name: encode(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    if isinstance(value, np.ndarray):
        numbers = value.ravel().tolist()
        return {"dtype": value.dtype.name, "shape": list(value.shape), "values": numbers}
    if isinstance(value, np.generic):
        return value.item()
    return value


def decode(value: Any) -> Any:
    """The inverse of `encode`."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"dtype", "shape", "values"}:
        return np.array(value["values"], value["dtype"]).reshape(value["shape"])
    return {name: decode(item) for name, item in value.items()}
