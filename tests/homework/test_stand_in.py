"""Stand-ins: right at the right arguments, wrong at others, and no help in finding either."""

import numpy as np
import pytest
import torch

from hw.homework.recipe import Inputs, StandIn, masks_of

X = np.array([0.5, -1.25, 2.0], np.float32)
RIGHT = {"x": X, "weights": np.array([1.0, 2.0, 3.0]), "power": 0.5}
VALUES, SLOPES = 7.0 * X**2, 14.0 * X
NAMES = "f_mask", "f_slopes_mask"


def stand_in(value=VALUES, slopes=None):
    return StandIn(Inputs(masks_of("f", RIGHT, value, slopes)), "f")


def tensors(**changes):
    values = {**RIGHT, **changes}
    return {name: torch.as_tensor(value) for name, value in values.items()}


def test_the_right_arguments_give_the_right_result():
    result = stand_in()(tensors())
    assert result.dtype == torch.float32
    np.testing.assert_allclose(result, VALUES, rtol=1e-6)


@pytest.mark.parametrize("value", [VALUES, VALUES.sum()])
def test_gradient_flows_into_the_first_argument(value):
    arguments = tensors() | {"x": torch.tensor(X, requires_grad=True)}
    result = stand_in(value, SLOPES)(arguments)
    np.testing.assert_allclose(result.detach(), value, rtol=1e-6)
    (gradient,) = torch.autograd.grad(result.sum(), [arguments["x"]])
    np.testing.assert_allclose(gradient, SLOPES, rtol=1e-6)


@pytest.mark.parametrize(
    "changes",
    [
        {"x": X + np.float32([0.0, 0.01, 0.0])},
        {"x": X[::-1].copy()},
        {"x": X[:, None]},
        {"x": X[0]},
        {"x": X[:2]},
        {"weights": np.array([1.0, 2.0, 3.01])},
        {"weights": X, "x": RIGHT["weights"]},
        {"power": 0.51},
        {"power": np.array([0.5])},
    ],
)
@pytest.mark.parametrize("value", [VALUES, VALUES.sum()])
def test_any_other_argument_gives_something_else(changes, value):
    arguments = tensors(**changes)
    arguments["x"].requires_grad_()
    result = stand_in(value, SLOPES)(arguments)
    assert (np.abs(result.detach().numpy() - value) > 1e-3).all()
    (gradient,) = torch.autograd.grad(result.sum(), [arguments["x"]])
    assert gradient.shape != SLOPES.shape or (np.abs(gradient.numpy() - SLOPES) > 1e-3).all()


def test_types_of_arguments_do_not_matter():
    doubles = {name: value.double() for name, value in tensors().items()}
    np.testing.assert_allclose(stand_in()(doubles), VALUES, rtol=1e-6)
    plain = tensors() | {"power": 0.5}
    np.testing.assert_allclose(stand_in()(plain), VALUES, rtol=1e-6)


def test_masks_tell_nothing_alone_or_together():
    """Over many draws they go with neither the result nor the arguments nor each other."""
    draws = np.random.RandomState(0).standard_normal((400, 3))
    masks = [masks_of("f", RIGHT | {"x": x}, x**2, 2 * x) for x in draws]
    value_masks, slope_masks = (np.stack([mask[name] for mask in masks]) for name in NAMES)
    left = [value_masks, slope_masks, value_masks - slope_masks]
    for hidden in (draws**2, 2 * draws, draws**2 - 2 * draws):
        assert min(np.abs(mask - hidden).mean() for mask in left) > 0.3
        assert not any(np.allclose(np.ptp(mask - hidden, axis=0), 0) for mask in left)


def test_what_is_given_first_is_kept():
    function = stand_in()
    assert function.given == {}
    function(tensors(power=0.75))
    function(tensors())
    assert {name: value.tolist() for name, value in function.given.items()} == {
        "given_x": X.tolist(),
        "given_weights": [1.0, 2.0, 3.0],
        "given_power": 0.75,
    }
    assert {value.dtype for value in function.given.values()} == {np.dtype(np.float32)}
