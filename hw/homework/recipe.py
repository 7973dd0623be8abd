"""Recipes: how to call a student's method on given inputs, and what to look at afterwards.

A recipe is a function `(inputs) -> outputs` that hands everything random or learned to the
method: weights, batches and noise are inputs. So its outputs depend on the method alone, and may be
compared with stored ones.

No answer may be in the process of a recipe, for the student's code can read whatever is there. So
where a method may call a function that is a TODO too, a `StandIn` takes that one's place.
"""

import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
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


def as_seen(observations: Tensor, shape: Sequence[int]) -> Tensor:
    """Observations (B, *shape) as a network takes them: floats (B, F); bytes are divided by 255.

    Raises:
        ValueError: they are of another shape, at which a convolution would fail too.
    """
    batch_shape = observations.shape[: max(observations.ndim - len(shape), 0)]
    if observations.shape != (*batch_shape, *shape):
        found = tuple(observations.shape)
        raise ValueError(f"a network got observations of shape {found}, not (B, *{tuple(shape)})")
    floats = observations / 255 if observations.dtype == torch.uint8 else observations
    return floats.reshape(*batch_shape, math.prod(shape))


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


class StandIn:
    """Takes the place of a function: right at the right arguments, and wrong at any others.

        f(x) = mask + mixture(x),    df/dx_1 = mask' + mixture'(x)

    It knows neither the right arguments nor what is right there, but the masks of `masks_of` alone.

    Args:
        inputs, name: `NAME_mask` is an input. If `NAME_slopes_mask` is one too, gradient flows into
            the first argument.
    """

    def __init__(self, inputs: Inputs, name: str):
        self.name = name
        self.mask = inputs.values_by_name[f"{name}_mask"]
        self.slopes_mask = inputs.values_by_name.get(f"{name}_slopes_mask")
        self.given: Outputs = {}

    def __call__(self, arguments: Mapping[str, Tensor | float]) -> Tensor:
        """The result, float32 and of the mask's shape, for arguments by name.

        Those of the first call are kept in `given`, as `given_NAME`.
        """
        numbers = {name: to_array(name, value) for name, value in arguments.items()}
        if not self.given:
            self.given = {f"given_{k}": value.astype(np.float32) for k, value in numbers.items()}
        result = unmasked(self.mask, self.name, numbers)
        if self.slopes_mask is None:
            return result
        slopes = unmasked(self.slopes_mask, f"{self.name}_slopes", numbers)
        first = next(iter(arguments.values()))
        move = first - first.detach()  # zeros, which carry the gradient
        if move.shape == slopes.shape:
            move = slopes * move
        return result + (move if move.shape == result.shape else move.sum())


def masks_of(
    name: str,
    right: Mapping[str, ArrayLike],
    value: ArrayLike,
    slopes: ArrayLike | None = None,
) -> dict[str, np.ndarray]:
    """The masks of a `StandIn`, as inputs: what is right, less a mixture of the right arguments.

    Args:
        name: of the stand-in.
        right: the arguments by name.
        value: of the function there.
        slopes: of its sum in the first argument, of that one's shape.
    """
    hidden = {name: value} if slopes is None else {name: value, f"{name}_slopes": slopes}
    arguments = {argument: np.asarray(numbers) for argument, numbers in right.items()}
    masks = {}
    for what, numbers in hidden.items():
        mask = masks[f"{what}_mask"] = np.array(numbers, np.float64)
        mask -= mixture(what, mask.shape, arguments)
    return masks


def unmasked(mask: np.ndarray, what: str, arguments: Mapping[str, np.ndarray]) -> Tensor:
    """What a mask hides, if these are the right arguments: float32."""
    return torch.as_tensor(mask + mixture(what, mask.shape, arguments), dtype=torch.float32)


def mixture(what: str, shape: tuple[int, ...], arguments: Mapping[str, np.ndarray]) -> np.ndarray:
    """Sums of all numbers of all arguments, each with a weight of its own: `shape`.

    An argument of another name or shape has other weights: (B, 1) is not (B,). None is near 0.
    """
    total = np.zeros(shape)
    for name, numbers in arguments.items():
        seed = zlib.crc32(repr((what, shape, name, numbers.shape)).encode())
        weights = np.random.RandomState(seed).uniform(-1.0, 1.0, (*shape, numbers.size))
        weights += 0.5 * np.sign(weights)
        total += weights @ numbers.ravel().astype(np.float64)
    return total
