"""Recipes, cases on disk, and the one line that a failing public test says."""

import time

import numpy as np
import pytest
import torch

from hw.homework import public_tests
from hw.homework.cases import Case, decode, encode, load_cases, save_cases
from hw.homework.public_tests import check, split_name
from hw.homework.recipe import Inputs, gradients, run_recipe, to_array


def double(inputs):
    return {"double": 2 * inputs.tensor("x")}


def make_case(**changes):
    fields = {
        "todo": "hw9.f",
        "method": "hw.homework.recipe.run_recipe",
        "name": "two numbers",
        "inputs": {"x": np.array([1.0, 2.0], np.float32)},
        "expected": {"double": np.array([2.0, 4.0], np.float32)},
        "quantities": {"double": "twice x"},
        "rtol": 1e-5,
        "atol": 1e-6,
    }
    return Case(**(fields | changes))


def test_a_right_method_passes():
    check(make_case(), double)


def test_a_failure_says_what_of_which_quantity_and_where_the_card_is():
    with pytest.raises(AssertionError) as caught:
        check(make_case(), lambda inputs: {"double": inputs.tensor("x")})
    message = str(caught.value)
    assert message.startswith("hw9.f, two numbers: twice x (double) has wrong values: 2 of 2")
    assert "expected 4 at [1], got 2" in message
    assert "hw/homework/recipe.py:" in message
    assert "\n" not in message


def test_what_a_method_raises_is_reported_in_one_line_with_the_place():
    def broken(inputs):
        return {"double": to_array("double", {"two": 2})}

    with pytest.raises(AssertionError) as caught:
        check(make_case(), broken)
    message = str(caught.value)
    assert message.startswith("hw9.f, two numbers: TypeError: double is a dict, not a tensor")
    assert ", raised at hw/homework/recipe.py:" in message
    assert "Its card: hw/homework/recipe.py:" in message
    assert isinstance(caught.value.__cause__, TypeError)


def test_an_error_of_many_lines_makes_one():
    def broken(inputs):
        raise ValueError("first line\n    second line.\n")

    with pytest.raises(AssertionError, match=r"ValueError: first line second line, raised at") as e:
        check(make_case(), broken)
    assert "\n" not in str(e.value)


def test_a_blank_says_its_todo():
    def blank(inputs):
        raise NotImplementedError("TODO(hw9.f): write")

    with pytest.raises(NotImplementedError, match=r"TODO\(hw9.f\)"):
        check(make_case(), blank)


def test_an_argument_changed_in_place_is_found():
    def careless(inputs):
        return {"double": inputs.tensor("x").mul_(2)}

    expected = make_case().expected | {"after.x": np.array([1.0, 2.0], np.float32)}
    with pytest.raises(AssertionError, match="argument x was changed in place"):
        check(make_case(expected=expected), careless)


def test_an_endless_loop_is_stopped(monkeypatch):
    monkeypatch.setattr(public_tests, "SECONDS_PER_CASE", 1)
    with pytest.raises(AssertionError, match="no result after 1 seconds"):
        check(make_case(), lambda inputs: time.sleep(60))


def test_inputs_are_copies_and_the_originals_stay():
    values = {"x": np.zeros(2, np.float32), "n": 3}
    inputs = Inputs(values)
    inputs.tensor("x").add_(1)
    inputs["x"][:] = 5
    assert not values["x"].any()
    assert inputs["n"] == 3
    assert inputs.get("nothing") is None
    assert list(inputs) == ["x", "n"]
    assert run_recipe(lambda inputs: {}, values) == {}


def test_gradients_are_zero_where_none_flows():
    a, b = torch.ones(2, requires_grad=True), torch.ones(3, requires_grad=True)
    found = gradients((a * 3).sum(), [a, b])
    assert found[0].tolist() == [3, 3]
    assert found[1].tolist() == [0, 0, 0]
    assert gradients(torch.ones(()), [a])[0].tolist() == [0, 0]


@pytest.mark.parametrize("value", [None, "text", {"a": 1}, object()])
def test_other_outputs_are_refused(value):
    with pytest.raises(TypeError, match="loss is a"):
        to_array("loss", value)


def test_cases_survive_the_disk_exactly(tmp_path):
    inputs = {
        "x": np.random.default_rng(0).standard_normal((2, 3)).astype(np.float32),
        "flags": np.array([True, False]),
        "empty": np.zeros((0, 2), np.int64),
        "odd": np.array([np.nan, np.inf, -np.inf]),
        "settings": {"list": [1, 2.5, None, "a"]},
    }
    case = make_case(inputs=inputs)
    save_cases(tmp_path / "cases.json", [case, make_case(todo="hw9.g")])
    loaded = load_cases(tmp_path / "cases.json")
    assert list(loaded) == ["hw9.f", "hw9.g"]
    for name, value in inputs.items():
        found = loaded["hw9.f"][0].inputs[name]
        if isinstance(value, np.ndarray):
            assert found.dtype == value.dtype
            assert found.shape == value.shape
            np.testing.assert_array_equal(found, value)
        else:
            assert found == value
    save_cases(tmp_path / "again.json", [loaded["hw9.f"][0], loaded["hw9.g"][0]])
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "cases.json").read_bytes()
    assert decode(encode(np.float32(1.5))) == 1.5


@pytest.mark.parametrize(
    ("method", "parts"),
    [
        ("hw.a.b.f", ["hw.a.b", "f"]),
        ("hw.a.Class.f", ["hw.a", "Class", "f"]),
        ("hw.a.Class._f", ["hw.a", "Class", "_f"]),
    ],
)
def test_names_are_split_into_module_class_and_method(method, parts):
    assert split_name(method) == parts
