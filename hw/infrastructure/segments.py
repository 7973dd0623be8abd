"""Long arrays of which little changes, kept in files that successive checkpoints share.

An array's rows are cut into segments of a fixed number of rows. A segment is a file that holds
their bytes, is named by the SHA-256 of these, and never changes: what has not changed since the
last checkpoint is not written again, and what two checkpoints have in common is stored once.
"""

import contextlib
import hashlib
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hw.infrastructure.files import replacing, sync_directory

SEGMENT_BYTES = 4 * 2**20
SUFFIX = ".segment"


@dataclass(frozen=True)
class Rows:
    """A ring's rows in a state: where they are in memory, and which of them are new.

    Args:
        name: of the array, its own within a state.
        array: (rows, bytes of a row) uint8, contiguous: the rows in use.
        ring_size: rows that there is room for; number m was written to row m % ring_size.
        num_written: rows written since the beginning.
    """

    name: str
    array: np.ndarray
    ring_size: int
    num_written: int

    def read_into(self, memory: np.ndarray) -> None:
        """Copy the rows into memory of the same shape and type."""
        memory[...] = self.array

    def last_written(self, first: int, end: int) -> int:
        """How many rows had been written when the rows first .. end - 1 last changed."""
        lap = (self.num_written - 1) // self.ring_size * self.ring_size
        newest = self.num_written - 1 - lap
        if newest >= end:
            return lap + end
        return self.num_written if newest >= first else lap - self.ring_size + end


@dataclass(frozen=True)
class StoredRows:
    """Rows in segments on disk, whose checksums were right when the state was loaded.

    Args:
        segments: their files, in the order of the rows.
        shape: (rows, bytes of a row).
        rows_each: rows in each segment but the last.
    """

    segments: list[Path]
    shape: tuple[int, int]
    rows_each: int

    def read_into(self, memory: np.ndarray) -> None:
        """Copy the rows into memory of that shape, contiguous uint8, one segment at a time.

        Raises:
            ValueError: the memory has another shape, or a segment has another length.
        """
        if memory.shape != self.shape:
            raise ValueError(f"the saved rows have shape {self.shape}, not {memory.shape}")
        for index, path in enumerate(self.segments):
            part = memory[index * self.rows_each : (index + 1) * self.rows_each]
            with path.open("rb") as file:
                if file.readinto(part) != part.nbytes or file.read(1):
                    raise ValueError(f"{path} has not {part.nbytes} bytes")


class SegmentStore:
    """A directory of segments.

    Args:
        directory: made when it is needed.
    """

    def __init__(self, directory: Path):
        self.directory = Path(directory)
        # By array and first row: the end, `last_written`, and the name of what is there.
        self.known: dict[tuple[str, int], tuple[int, int, str]] = {}

    def save(self, rows: Rows) -> dict[str, Any]:
        """Write the segments that changed since the last call; returns what `load` asks for.

        Raises:
            StorageError: the disk is full, or the directory cannot be written.
        """
        count, row_bytes = rows.array.shape
        rows_each = max(1, SEGMENT_BYTES // row_bytes)
        digests = []
        for first in range(0, count, rows_each):
            end = min(first + rows_each, count)
            *version, digest = self.known.get((rows.name, first), (0, 0, ""))
            last_written = rows.last_written(first, end)
            num_bytes = (end - first) * row_bytes
            if version != [end, last_written] or not self._has(digest, num_bytes):
                digest = self._write(rows.array[first:end])
                self.known[rows.name, first] = (end, last_written, digest)
            digests.append(digest)
        if digests:
            sync_directory(self.directory)
        return {"shape": [count, row_bytes], "rows_each": rows_each, "digests": digests}

    def load(self, saved: dict[str, Any]) -> StoredRows:
        """Find the segments of what `save` returned.

        Raises:
            ValueError: one is missing or damaged.
        """
        (count, row_bytes), rows_each = saved["shape"], saved["rows_each"]
        if len(saved["digests"]) != -(-count // rows_each):
            raise ValueError("segments are left out")
        segments = [self._path(digest) for digest in saved["digests"]]
        for path, digest in zip(segments, saved["digests"], strict=True):
            if not path.is_file():
                raise ValueError(f"{path} is missing")
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                    raise ValueError(f"{path} is damaged")
        return StoredRows(segments, (count, row_bytes), rows_each)

    def forget(self) -> None:
        """Compare nothing with earlier calls of `save`: another state goes on from here."""
        self.known = {}

    def remove_all_but(self, digests: Set[str]) -> None:
        """Remove the segments that no checkpoint needs, and what a kill left unfinished."""
        if not self.directory.is_dir():
            return
        kept = {self._path(digest).name for digest in digests}
        for path in self.directory.iterdir():
            if path.name not in kept and SUFFIX in path.name:
                with contextlib.suppress(OSError):
                    path.unlink()

    def _path(self, digest: str) -> Path:
        if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
            raise ValueError(f"{digest!r} names no segment")
        return self.directory / f"{digest}{SUFFIX}"

    def _has(self, digest: str, num_bytes: int) -> bool:
        path = self._path(digest)
        return path.is_file() and path.stat().st_size == num_bytes

    def _write(self, part: np.ndarray) -> str:
        content = memoryview(part).cast("B")
        digest = hashlib.sha256(content).hexdigest()
        if not self._has(digest, len(content)):
            with replacing(self._path(digest), sync_name=False) as file:
                file.write(content)
        return digest
