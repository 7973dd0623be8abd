"""What counts as equal, and what is said of what does not."""

import numpy as np
import pytest

from hw.homework.comparison import compare, compare_all

EXPECTED = np.array([1.0, 2.0, 3.0], np.float32)


def differ(found, expected=EXPECTED, name="loss"):
    return compare(name, None if found is None else np.asarray(found), expected, 1e-4, 1e-5)


def test_equal_within_the_tolerance():
    assert differ(EXPECTED) is None
    assert differ(EXPECTED * np.float32(1 + 5e-5)) is None
    assert differ(EXPECTED * np.float32(1 + 5e-4)).category == "wrong_value"


@pytest.mark.parametrize(
    ("found", "category", "words"),
    [
        (None, "missing", "is missing"),
        (EXPECTED.astype(np.float64), "dtype", "float64, expected float32"),
        (np.array([1, 2, 3]), "dtype", "int64, expected float32"),
        (EXPECTED[:, None], "shape", "(3, 1), expected (3,)"),
        (EXPECTED[:1], "shape", "(1,), expected (3,)"),
        (np.float32(2.0), "shape", "(), expected (3,)"),
        (np.array([1, np.nan, 3], np.float32), "non_finite", "not finite"),
        (np.array([1, np.inf, 3], np.float32), "non_finite", "not finite"),
        (np.array([1, 2, 4], np.float32), "wrong_value", "1 of 3 values, off by at most 1"),
    ],
)
def test_the_first_thing_that_differs_is_named(found, category, words):
    difference = differ(found)
    assert difference.category == category
    assert words in difference.summary


def test_an_array_that_broadcasts_to_the_right_numbers_is_not_right():
    assert differ(np.ones((3, 1), np.float32), np.ones(3, np.float32)).category == "shape"
    assert differ(np.ones((), np.float32), np.ones(1, np.float32)).category == "shape"


def test_not_a_number_agrees_with_itself_alone():
    expected = np.array([np.nan, np.inf, 1.0])
    assert differ(expected, expected) is None
    assert differ(np.array([0.0, np.inf, 1.0]), expected).category == "wrong_value"
    assert differ(np.array([np.nan, -np.inf, 1.0]), expected).category == "wrong_value"


def test_the_example_is_of_the_worst_value_and_apart_from_the_summary():
    difference = differ(np.array([1.5, 2.0, -7.0], np.float32))
    assert difference.example == "expected 3 at [2], got -7"
    assert "3" not in difference.summary.replace("of 3 values", "")
    assert differ(np.float32(1.0), np.float32(2.0)).example == "expected 2, got 1"


def test_booleans_and_integers_are_compared_exactly():
    assert differ(np.array([True, False]), np.array([True, True])).category == "wrong_value"
    assert differ(np.array([5]), np.array([5])) is None


def test_outputs_are_compared_in_the_order_expected():
    expected = {"a": np.ones(2), "b": np.ones(2)}
    assert compare_all({"b": np.zeros(2), "a": np.zeros(2)}, expected, 0, 0).name == "a"
    assert compare_all({"a": np.ones(2)}, expected, 0, 0).category == "missing"
    assert compare_all(expected | {"more": np.ones(1)}, expected, 0, 0) is None


def test_what_was_handed_on_explains_a_wrong_result_and_is_not_wrong_itself():
    expected = {"given_x": np.ones(2), "given_y": np.ones(2), "loss": np.ones(())}
    wrong = {"given_x": np.ones(2), "given_y": np.zeros(2), "loss": np.zeros(())}
    assert compare_all(wrong, expected, 0, 0).name == "given_y"
    assert compare_all(wrong | {"loss": np.ones(())}, expected, 0, 0) is None
    assert compare_all({"loss": np.ones(())}, expected, 0, 0) is None
    assert compare_all({"loss": np.zeros(())}, expected, 0, 0).name == "loss"
    given = {"given_x": np.ones(2), "given_y": np.ones(2)}
    assert compare_all(given, expected, 0, 0).category == "missing"
    assert compare_all({}, {"loss_given_x": np.ones(2)}, 0, 0).category == "missing"


def test_a_changed_argument_is_called_so():
    expected = {"after.rewards": np.ones(2)}
    difference = compare_all({"after.rewards": np.zeros(2)}, expected, 0, 0)
    assert difference.category == "mutated"
    assert "rewards was changed in place" in difference.summary
