"""Messages between the grader and the processes that run students' code.

A message is a JSON header, its length before it in four bytes, and then the raw bytes of arrays:

    length (4 bytes, big-endian) | header | bytes of the first array | of the second | ...

The header is `{"values": {...}, "arrays": [{"name", "dtype", "shape"}, ...]}`. What comes from a
student's process is believed in nothing: lengths, depth, types and sizes are checked before
anything is allocated, and there is no pickle.
"""

import json
import math
import struct
from typing import Any

import numpy as np

MAX_HEADER_BYTES = 64 * 1024
MAX_DEPTH = 6
MAX_DIMS = 8
MAX_SIZE = 2**32
DTYPES = frozenset(
    ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]
)
LENGTH = struct.Struct(">I")


class ProtocolError(Exception):
    """A message is not what it should be."""


def encode(
    values: dict[str, Any], arrays: dict[str, np.ndarray], max_header: int = MAX_HEADER_BYTES
) -> bytes:
    """A message.

    Args:
        values: what JSON can hold.
        arrays: of the types in `DTYPES`.
        max_header: most bytes of the header.

    Raises:
        ProtocolError: an array's type cannot be sent, or the header is too long.
    """
    rows = []
    for name, array in arrays.items():
        if array.dtype.name not in DTYPES:
            raise ProtocolError(f"{name} has type {array.dtype.name}")
        rows.append({"name": name, "dtype": array.dtype.name, "shape": list(array.shape)})
    header = json.dumps({"values": values, "arrays": rows}).encode()
    if len(header) > max_header:
        raise ProtocolError(f"the header has {len(header)} bytes")
    contents = [np.ascontiguousarray(array).tobytes() for array in arrays.values()]
    return b"".join([LENGTH.pack(len(header)), header, *contents])


def decode(
    message: bytes, max_bytes: int, max_header: int = MAX_HEADER_BYTES
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The values and arrays of a message; arrays are copies and own their memory.

    Args:
        message: from anywhere.
        max_bytes: what all arrays together may take.
        max_header: most bytes of the header.

    Raises:
        ProtocolError: it is malformed or too large.
    """
    header = _header(message, max_header)
    rows, values = header.get("arrays"), header.get("values")
    if not isinstance(rows, list) or not isinstance(values, dict) or len(header) != 2:
        raise ProtocolError("the header lacks its two fields")
    arrays: dict[str, np.ndarray] = {}
    view = memoryview(message)
    position = LENGTH.size + int.from_bytes(message[: LENGTH.size], "big")
    for row in rows:
        name, dtype, shape = _checked(row)
        num_bytes = np.dtype(dtype).itemsize * math.prod(shape)
        max_bytes -= num_bytes
        if max_bytes < 0:
            raise ProtocolError("the arrays are larger than what is expected")
        content = view[position : position + num_bytes]
        if len(content) != num_bytes or name in arrays:
            raise ProtocolError("an array is cut short or sent twice")
        position += num_bytes
        arrays[name] = _array(content, dtype, shape)
    if position != len(message):
        raise ProtocolError("there are bytes after the last array")
    return values, arrays


def _header(message: bytes, max_header: int) -> dict[str, Any]:
    if len(message) < LENGTH.size:
        raise ProtocolError("there is no header")
    (length,) = LENGTH.unpack_from(message)
    if length > max_header or len(message) < LENGTH.size + length:
        raise ProtocolError("the header's length is wrong")
    try:
        header = json.loads(
            message[LENGTH.size : LENGTH.size + length].decode(),
            parse_constant=_refuse,
            parse_float=_finite,
            object_pairs_hook=_unique,
        )
        _check_depth(header)
        json.dumps(header, ensure_ascii=False).encode()  # half a surrogate pair cannot be written
    except (ValueError, RecursionError) as error:
        raise ProtocolError("the header is no JSON, or no plain one") from error
    if not isinstance(header, dict):
        raise ProtocolError("the header is no object")
    return header


def _check_depth(header: Any) -> None:
    level = [header]
    for _ in range(MAX_DEPTH + 1):
        lists = [list(x.values()) if isinstance(x, dict) else x for x in level]
        level = [x for items in lists if isinstance(items, list) for x in items]
    if level:
        raise ValueError("nested too deeply")


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _finite(text: str) -> float:
    """A number; one with too large an exponent would become infinite."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object without repeated names."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is given twice")
    return found


def _array(content: memoryview, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """A copy of an array's bytes, which are as many as its shape says."""
    try:
        array = np.empty(shape, dtype)
    except ValueError as error:  # too many even of nothing
        raise ProtocolError("an array's shape is too large") from error
    array.reshape(-1).view(np.uint8)[:] = np.frombuffer(content, np.uint8) if content else 0
    if dtype == "bool" and (array.view(np.uint8) > 1).any():
        raise ProtocolError("a truth value is neither 0 nor 1")
    return array


def _checked(row: Any) -> tuple[str, str, tuple[int, ...]]:
    """Name, type and shape of one array."""
    if not isinstance(row, dict) or row.keys() != {"name", "dtype", "shape"}:
        raise ProtocolError("an array is not described by name, dtype and shape")
    name, dtype, shape = row["name"], row["dtype"], row["shape"]
    if not isinstance(name, str) or not isinstance(dtype, str) or dtype not in DTYPES:
        raise ProtocolError("an array has no name, or a type that is not allowed")
    if not isinstance(shape, list) or len(shape) > MAX_DIMS:
        raise ProtocolError("an array has no shape, or too many axes")
    if not all(type(size) is int and 0 <= size < MAX_SIZE for size in shape):
        raise ProtocolError("an array's shape is not of sizes")
    return name, dtype, tuple(shape)
