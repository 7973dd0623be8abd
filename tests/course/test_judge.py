"""Verdicts of replies, honest, wrong and forged; and what of them a student is told."""

import numpy as np
import pytest

from course.grader.judge import judge, max_reply_bytes, plain_text, same_outputs
from course.grader.wire import LENGTH, encode

EXPECTED = {"loss": np.float32(2.5).reshape(()), "after.rewards": np.arange(3, dtype=np.float32)}
SECRET = "0.123456 is hidden"


def verdict(arrays=None, is_hidden=False, **values):
    reply = encode(values, {} if arrays is None else arrays)
    return judge(reply, EXPECTED, {"loss": "the loss"}, 1e-4, 1e-5, is_hidden)


def changed(**arrays):
    return EXPECTED | {name.replace("__", "."): array for name, array in arrays.items()}


def test_the_reference_passes():
    found = verdict(EXPECTED)
    assert found.passed
    assert found.summary == ""
    assert same_outputs(found.outputs, EXPECTED, 0.0, 0.0)


def test_numbers_within_the_tolerance_pass_and_others_do_not():
    assert verdict(changed(loss=np.float32(2.5001).reshape(()))).passed
    assert verdict(changed(loss=np.float32(2.51).reshape(()))).category == "wrong_value"


@pytest.mark.parametrize(
    ("loss", "category"),
    [
        (np.full((), 2.5, np.float64), "dtype"),
        (np.full((1,), 2.5, np.float32), "shape"),
        (np.full((3, 1), 2.5, np.float32), "shape"),
        (np.full((), np.nan, np.float32), "non_finite"),
        (np.full((), np.inf, np.float32), "non_finite"),
        (np.zeros((0,), np.float32), "shape"),
        (np.full((), 2.6, np.float32), "wrong_value"),
    ],
)
def test_the_first_thing_that_differs_is_named(loss, category):
    found = verdict(changed(loss=loss))
    assert found.category == category
    assert found.summary.startswith("the loss ")
    assert "2.5" not in found.summary.replace("2.5e", "")  # neither the expected nor the found


def test_an_output_that_is_missing_is_no_pass():
    assert verdict({}).category == "shape"
    assert verdict({"after.rewards": EXPECTED["after.rewards"]}).category == "shape"


def test_further_outputs_do_no_harm():
    assert verdict(changed(more=np.zeros(3))).passed


def test_an_argument_changed_in_place_is_a_mistake():
    found = verdict(changed(after__rewards=np.zeros(3, np.float32)))
    assert found.category == "mutated"
    assert found.summary == "the argument rewards was changed in place"


def test_the_students_exception_is_shown_with_its_line_in_a_public_case():
    error = {"category": "exception", "type": "ValueError", "message": "bad\n shape", "line": 12}
    found = verdict(error=error)
    assert (found.category, found.summary, found.line) == ("exception", "ValueError: bad shape", 12)


@pytest.mark.parametrize(
    "category",
    ["exception", "import", "syntax", "missing", "signature", "not_implemented", "out_of_memory"],
)
def test_no_text_of_the_process_is_shown_in_a_hidden_case(category):
    for name in ("ValueError", SECRET):
        found = verdict(
            error={"category": category, "type": name, "message": SECRET, "line": 3}, is_hidden=True
        )
        assert found.category == category
        assert "0.123456" not in found.summary
        assert found.line is None


def test_an_exception_class_of_the_students_own_has_no_name():
    error = {"category": "exception", "type": SECRET, "message": ""}
    assert verdict(error=error).summary == "an exception of its own"


def test_what_is_blank_is_named():
    error = {"category": "not_implemented", "type": "", "message": "TODO(hw2.gae): write it"}
    found = verdict(error=error)
    assert (found.category, found.summary, found.blank) == (
        "not_implemented",
        "still blank",
        "hw2.gae",
    )


@pytest.mark.parametrize(
    "error",
    [
        None,
        7,
        "passed",
        [],
        {},
        {"category": ""},
        {"category": "passed"},
        {"category": ["exception"]},
        {"category": {"a": 1}},
        {"category": "ungraded"},
    ],
)
def test_a_forged_error_is_a_breach_of_the_protocol(error):
    assert verdict(EXPECTED, error=error).category == "protocol"


@pytest.mark.parametrize("value", [[], {}, [[]], 3.5, True, None, "x" * 5000, -1, 10**30])
def test_no_field_of_a_forged_error_is_believed(value):
    for category in ("exception", "syntax", "not_implemented"):
        error = {"category": category, "type": value, "message": value, "line": value}
        found = verdict(EXPECTED, error=error)
        assert found.category == category
        assert found.line is None
        assert len(found.summary) < 300
        assert len(found.blank) < 300


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\0",
        b"\xff\xff\xff\xff{}",
        LENGTH.pack(2) + b"{}",
        LENGTH.pack(4) + b"null",
        LENGTH.pack(60_000) + b"[" * 60_000,
        b"passed",
    ],
)
@pytest.mark.parametrize("is_hidden", [False, True])
def test_a_reply_that_cannot_be_read_is_no_pass(payload, is_hidden):
    assert judge(payload, EXPECTED, {}, 1e-4, 1e-5, is_hidden).category == "protocol"


def test_a_reply_far_larger_than_what_is_due_is_refused():
    size = max_reply_bytes(EXPECTED) + 8
    assert verdict(changed(more=np.zeros(size, np.uint8))).category == "protocol"


def test_terminal_codes_and_signs_that_reorder_text_are_taken_out():
    error = {"category": "exception", "type": "ValueError", "message": "\x1b[2J\u202egnp"}
    summary = verdict(error=error).summary
    assert summary == "ValueError: ?[2J?gnp"
    assert plain_text("\ud800", 9) == "?"  # which no file could hold


def test_plain_text_is_one_line_of_a_length():
    assert plain_text("a\n\tb\r\nc", 10) == "a b c"
    assert plain_text("x" * 20, 10) == "x" * 7 + "..."
    assert plain_text(ValueError("é ü"), 10) == "é ü"


def test_outputs_are_the_same_only_with_the_same_names_types_and_shapes():
    one = {"a": np.ones(2, np.float32)}
    assert same_outputs(one, {"a": np.ones(2, np.float32)}, 0.0, 0.0)
    assert not same_outputs(one, {"a": np.ones((2, 1), np.float32)}, 0.0, 0.0)
    assert not same_outputs(one, {"a": np.ones(2)}, 0.0, 0.0)
    assert not same_outputs(one, one | {"b": np.ones(1)}, 0.0, 0.0)
    assert not same_outputs(one, None, 0.0, 0.0)
    assert not same_outputs(None, None, 0.0, 0.0)
