"""Recipes: how to call a student's method on given inputs, and what to look at afterwards.

A recipe is a function `(inputs) -> outputs` that hands everything random or learned to the
method: weights, batches and noise are inputs. So its outputs depend on the method alone, and may be
compared with stored ones.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

Outputs = dict[str, Any]
Recipe = Callable[["Inputs"], Outputs]


class Inputs(Mapping[str, Any]):
    """Arrays, numbers and strings by name; it remembers what the method was given of them.

    Every access makes a copy, so that a method that changes its arguments in place harms nothing,
    and `after()` tells what it left behind.

    Args:
        values: by name.
    """

    def __init__(self, values: Mapping[str, Any]):
        self.values_by_name = dict(values)
        self.given: dict[str, Tensor | np.ndarray] = {}

    def __getitem__(self, name: str) -> Any:
        """The value; of an array a copy, which the recipe may hand on."""
        value = self.values_by_name[name]
        if isinstance(value, np.ndarray):
            value = self.given[name] = value.copy()
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_name)

    def __len__(self) -> int:
        return len(self.values_by_name)

    def tensor(self, name: str, requires_grad: bool = False) -> Tensor:
        """An array as a tensor of the same type."""
        tensor = torch.from_numpy(self.values_by_name[name].copy()).requires_grad_(requires_grad)
        self.given[name] = tensor
        return tensor

    def after(self) -> dict[str, np.ndarray]:
        """The arrays that were given out, as they are now: `after.NAME`."""
        return {f"after.{name}": to_array(name, value) for name, value in self.given.items()}


def run_recipe(recipe: Recipe, values: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The outputs of a recipe as arrays, and the inputs as the method left them.

    Raises:
        TypeError: an output is neither a tensor nor an array nor a number.
    """
    inputs = Inputs(values)
    outputs = recipe(inputs)
    return {name: to_array(name, value) for name, value in outputs.items()} | inputs.after()


def gradients(output: Tensor, tensors: Sequence[Tensor]) -> list[Tensor]:
    """The gradient of the sum of `output` in each tensor; zeros where none flows."""
    if not output.requires_grad:
        return [torch.zeros_like(tensor) for tensor in tensors]
    found = torch.autograd.grad(output.sum(), tensors, allow_unused=True, retain_graph=True)
    return [
        torch.zeros_like(tensor) if gradient is None else gradient
        for tensor, gradient in zip(tensors, found, strict=True)
    ]


def to_array(name: str, value: Any) -> np.ndarray:
    """A tensor, array, number, or list of numbers as an array.

    Raises:
        TypeError: it is something else.
    """
    if isinstance(value, Tensor):
        return value.detach().cpu().numpy().copy()
    array = np.array(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} is a {type(value).__name__}, not a tensor, an array or a number")
    return array
