"""State dicts on disk. A file holds numbers and names only: loading one cannot run code.

A file is an uncompressed .npz archive of plain arrays and of a JSON text that says how they nest,
followed by the SHA-256 of all that. Dicts with keys of any simple type, lists, tuples, numbers,
strings, None, numpy arrays, tensors and `Rows` can be saved; anything else is refused when saving.
"""

import hashlib
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from hw.infrastructure.errors import UserError
from hw.infrastructure.files import replacing
from hw.infrastructure.segments import Rows, SegmentStore

STRUCTURE = "structure.json"
FORMAT = 2
SEAL = b"sha256 "
SEAL_LENGTH = len(SEAL) + 64
SEGMENTS = "segments"


def save_state(
    path: Path,
    state: Any,
    segments: SegmentStore | None = None,
    about: dict[str, Any] | None = None,
) -> None:
    """Write a nested state beside `path` and rename it, so that a kill leaves no half file.

    Args:
        path: of the file.
        state: what to write.
        segments: where `Rows` go: the directory `segments` beside the file. Without it they go
            into the file.
        about: what `read_about` is to return, in terms of JSON.

    Raises:
        TypeError: something in it is neither a number, a text, an array nor a container of those.
        StorageError: the disk is full, or the directory cannot be written.
    """
    encoder = _Encoder({}, segments)
    structure = {"format": FORMAT, "about": about or {}, "state": encoder.encode(state)}
    encoded = np.frombuffer(json.dumps(structure).encode(), np.uint8)
    with replacing(path) as file:
        np.savez(file, **encoder.arrays, **{STRUCTURE: encoded})
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.write(SEAL + digest.encode())


def load_state(path: Path) -> Any:
    """Read what `save_state` wrote; tensors come back on the CPU.

    Raises:
        UserError: the file is missing, damaged, or not one of ours.
    """
    try:
        with Path(path).open("rb") as file:
            is_sealed = _check_seal(file)
            with zipfile.ZipFile(file) as archive:
                structure = _read_structure(archive)
                if structure["format"] == FORMAT and not is_sealed:
                    raise ValueError("its end is missing")
                decoder = _Decoder(archive, SegmentStore(Path(path).parent / SEGMENTS))
                return decoder.decode(structure["state"])
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such checkpoint") from error
    except Exception as error:  # zipfile, zlib and numpy do not list how a damaged file fails
        raise UserError(f"{path}: not a readable checkpoint ({error})") from error


def read_about(path: Path) -> dict[str, Any]:
    """What a state says about itself; the arrays are left unread.

    Raises:
        UserError: the file is missing or damaged.
    """
    return _structure_of(path)["about"]


def segments_of(path: Path) -> set[str]:
    """Names of the segments that a state needs.

    Raises:
        UserError: the file is missing or damaged.
    """
    found: set[str] = set()
    waiting = [_structure_of(path)["state"]]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if SEGMENTS in value:
                found.update(value[SEGMENTS]["digests"])
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return found


def _structure_of(path: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            return _read_structure(archive)
    except Exception as error:
        raise UserError(f"{path}: not a readable checkpoint ({error})") from error


def _read_structure(archive: zipfile.ZipFile) -> dict[str, Any]:
    structure = json.loads(_read_array(archive, STRUCTURE).tobytes().decode())
    if not (isinstance(structure, dict) and "format" in structure):
        return {"format": 1, "about": {}, "state": structure}
    if structure["format"] != FORMAT:
        raise ValueError(f"its format is {structure['format']}, this program's {FORMAT}")
    return structure


def _check_seal(file: BinaryIO) -> bool:
    """Whether the file ends with a checksum; one that is wrong is a ValueError."""
    size = file.seek(0, os.SEEK_END) - SEAL_LENGTH
    file.seek(max(size, 0))
    seal = file.read()
    if not seal.startswith(SEAL):
        return False
    digest = hashlib.sha256()
    file.seek(0)
    while size > 0:
        chunk = file.read(min(size, 2**20))
        digest.update(chunk)
        size -= len(chunk)
    if seal[len(SEAL) :] != digest.hexdigest().encode():
        raise ValueError("its checksum is wrong")
    return True


@dataclass(frozen=True)
class _Encoder:
    arrays: dict[str, np.ndarray]
    segments: SegmentStore | None

    def encode(self, value: Any) -> Any:
        """JSON for a value; arrays are put aside under a name of their own."""
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, dict):
            pairs = [[self.encode(key), self.encode(item)] for key, item in value.items()]
            return {"dict": pairs}
        if isinstance(value, list):
            return {"list": [self.encode(item) for item in value]}
        if isinstance(value, tuple):
            return {"tuple": [self.encode(item) for item in value]}
        if isinstance(value, torch.Tensor):
            return {"tensor": self._put_aside(value.detach().cpu().numpy())}
        if isinstance(value, np.ndarray):
            return {"array": self._put_aside(value)}
        if isinstance(value, Rows):
            if self.segments is not None:
                return {SEGMENTS: self.segments.save(value)}
            written = {"name": value.name, "size": value.ring_size, "written": value.num_written}
            return {"rows": self._put_aside(value.array), **written}
        raise TypeError(f"a {type(value).__name__} cannot be saved in a checkpoint: {value!r}")

    def _put_aside(self, array: np.ndarray) -> str:
        if array.dtype.hasobject:
            raise TypeError("an array of Python objects cannot be saved")
        name = f"array_{len(self.arrays)}"
        self.arrays[name] = array
        return name


@dataclass(frozen=True)
class _Decoder:
    archive: zipfile.ZipFile
    segments: SegmentStore

    def decode(self, structure: Any) -> Any:
        """The value that `_Encoder.encode` made this JSON of."""
        if not isinstance(structure, dict):
            return structure
        if "rows" in structure:
            array = _read_array(self.archive, structure["rows"])
            return Rows(structure["name"], array, structure["size"], structure["written"])
        ((kind, content),) = structure.items()
        if kind == "dict":
            return {self.decode(key): self.decode(item) for key, item in content}
        if kind == "list":
            return [self.decode(item) for item in content]
        if kind == "tuple":
            return tuple(self.decode(item) for item in content)
        if kind == "tensor":
            return torch.from_numpy(_read_array(self.archive, content))
        if kind == "array":
            return _read_array(self.archive, content)
        if kind == SEGMENTS:
            return self.segments.load(content)
        raise ValueError(f"unknown kind {kind!r}")


def _read_array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(f"{name}.npy") as member:
        array = np.lib.format.read_array(member, allow_pickle=False)
        if member.read(1):  # only at the member's end is its checksum verified
            raise ValueError(f"{name} holds more than its header says")
    return array
