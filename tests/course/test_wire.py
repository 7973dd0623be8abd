"""Messages from a student's process: whatever the bytes, a message or a ProtocolError."""

import json
import struct
import time

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as numbers

from course.grader.wire import DTYPES, MAX_HEADER_BYTES, ProtocolError, decode, encode

MOST = 2**20
ARRAYS = st.dictionaries(
    st.text(max_size=8),
    st.sampled_from(sorted(DTYPES)).flatmap(
        lambda dtype: numbers.arrays(dtype, numbers.array_shapes(min_dims=0, min_side=0))
    ),
    max_size=4,
)
PLAIN = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=20)
PLAIN |= st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.dictionaries(st.text(max_size=8), PLAIN | st.lists(PLAIN, max_size=3), max_size=4)
JSON = st.recursive(
    PLAIN | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["values", "arrays", "name", "dtype", "shape", "x"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


def message(header, content=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack(">I", len(text)) + text + content


def one(dtype="float32", shape=(2,), name="x"):
    return {"values": {}, "arrays": [{"name": name, "dtype": dtype, "shape": list(shape)}]}


def try_to_decode(content):
    try:
        values, arrays = decode(content, MOST)
    except ProtocolError:
        return None
    assert isinstance(values, dict)
    assert sum(array.nbytes for array in arrays.values()) <= MOST
    assert all(array.dtype.name in DTYPES and array.ndim <= 8 for array in arrays.values())
    json.dumps(values, allow_nan=False, ensure_ascii=False).encode()
    return values, arrays


@given(values=VALUES, arrays=ARRAYS)
@settings(max_examples=60, deadline=None)
def test_what_is_sent_arrives(values, arrays):
    found_values, found = decode(encode(values, arrays), MOST)
    assert found_values == values
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        assert found[name].flags.owndata
        np.testing.assert_array_equal(found[name], array)


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
@example(b"")
@example(b"\0\0\0\0")
@example(b"\xff\xff\xff\xff")
@example(b"\xff\xff\xff\xff{}")
def test_any_bytes(content):
    try_to_decode(content)


@given(JSON, st.binary(max_size=40))
@settings(max_examples=100, deadline=None)
def test_any_header(header, content):
    try_to_decode(message(header, content))


@given(VALUES, ARRAYS, st.data())
@settings(max_examples=100, deadline=None)
def test_changed_messages(values, arrays, data):
    content = bytearray(encode(values, arrays))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    try_to_decode(bytes(content))
    cut = data.draw(st.integers(0, len(content) - 1))
    try_to_decode(bytes(content[:cut]))


@given(VALUES, ARRAYS, st.data())
@settings(max_examples=60, deadline=None)
def test_a_message_cut_short_or_made_longer_is_refused(values, arrays, data):
    content = encode(values, arrays)
    cut = data.draw(st.integers(0, len(content) - 1))
    for wrong in (content[:cut], content + b"\0"):
        with pytest.raises(ProtocolError):
            decode(wrong, MOST)


@pytest.mark.parametrize(
    "header",
    [
        b'{"values": {"x": NaN}, "arrays": []}',
        b'{"values": {"x": -Infinity}, "arrays": []}',
        b'{"values": {"x": 1e999}, "arrays": []}',
        b'{"values": {}, "values": {}, "arrays": []}',
        b'{"values": {"x": 1, "x": 2}, "arrays": []}',
        b'{"values": {"x": ' + b"9" * 5000 + b'}, "arrays": []}',
        b'{"values": {"x": "\\ud800"}, "arrays": []}',
        b'{"values": {"\\udfff": 1}, "arrays": []}',
        b'{"values": {"x": "\xff"}, "arrays": []}',
        b'{"values": {}}',
        b'{"values": {}, "arrays": [], "score": 100}',
        b'{"values": [], "arrays": []}',
        b'{"values": {}, "arrays": {}}',
        b"[]",
        b"null",
        b"\xef\xbb\xbf{}",
        {"values": {"x": [[[[[[1]]]]]]}, "arrays": []},
        one(shape=(-1,)),
        one(shape=(True, 2)),
        one(shape=(2.0,)),
        one(shape=("2",)),
        one(shape=(2**70,)),
        one(shape=(1,) * 9),
        one(shape=(2**31, 2**31, 2**31, 0)),
        one(dtype="object"),
        one(dtype="complex64"),
        one(dtype=">f4"),
        one(dtype="O,O"),
        one(dtype=["float32"]),
        one(name=None),
        {"values": {}, "arrays": [one()["arrays"][0] | {"more": 1}]},
        {"values": {}, "arrays": [one()["arrays"][0]] * 2},
        {"values": {}, "arrays": ["x"]},
        {"values": {}, "arrays": [one(shape=(2**17,), dtype="float64")["arrays"][0]] * 8},
    ],
)
def test_what_is_wrong_is_refused(header):
    with pytest.raises(ProtocolError):
        decode(message(header, bytes(16)), MOST)


def test_truth_values_are_0_or_1():
    assert decode(message(one("bool"), b"\1\0"), MOST)[1]["x"].tolist() == [True, False]
    with pytest.raises(ProtocolError):
        decode(message(one("bool"), b"\2\0"), MOST)


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"values":[', b"-", b'"\\"'])
def test_deep_and_endless_headers_are_refused_fast(opening):
    text = opening * (60_000 // len(opening))
    started_at = time.process_time()
    with pytest.raises(ProtocolError):
        decode(message(text), MOST)
    assert time.process_time() - started_at < 0.5


def test_brackets_in_texts_are_no_nesting():
    values = {"error": {"message": "[" * 300}}
    assert decode(encode(values, {}), MOST)[0] == values


def test_a_header_is_limited_both_ways():
    values = {"x": "x" * MAX_HEADER_BYTES}
    with pytest.raises(ProtocolError):
        encode(values, {})
    with pytest.raises(ProtocolError):
        decode(encode(values, {}, 2 * MAX_HEADER_BYTES), MOST)


def test_only_plain_arrays_are_sent():
    for array in (np.zeros(2, complex), np.array([None]), np.array(["x"])):
        with pytest.raises(ProtocolError):
            encode({}, {"x": array})
