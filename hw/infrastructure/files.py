"""Files that are whole or not there, and lines that are whole, whatever happens while writing."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from hw.infrastructure.errors import StorageError

UNFINISHED = ".unfinished"


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the system's refusal to write a file, such as a full disk, into a `StorageError`."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error


@contextlib.contextmanager
def replacing(path: Path, sync_name: bool = True) -> Iterator[BinaryIO]:
    """A file to write and read, which gets the name `path` when the block ends without an error.

    By then its content is on the disk, so that not even a power cut leaves half of it there.

    Args:
        path: of the file to be; one of that name is replaced, and stays if anything fails.
        sync_name: wait for the name to be on the disk too; else call `sync_directory` later.

    Raises:
        StorageError: the disk is full, or the directory cannot be written.
    """
    path = Path(path)
    unfinished = path.with_name(path.name + UNFINISHED)
    try:
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with unfinished.open("w+b") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(unfinished, path)
            if sync_name:
                sync_directory(path.parent)
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)


def sync_directory(directory: Path) -> None:
    """Wait until the names in a directory are on the disk, where the file system can do that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class LineFile:
    """A text file to which lines are added, each by one call of the system.

    What an earlier session was killed in the middle of is dropped when the file is opened.

    Args:
        path: of the file, which may exist.
        buffer_bytes: gather about so much before it is written; 0 writes each line at once.

    Raises:
        StorageError: the file cannot be written; also raised when adding lines.
    """

    def __init__(self, path: Path, buffer_bytes: int = 0):
        self.path = path
        self.buffer_bytes = buffer_bytes
        self.waiting: list[bytes] = []
        self.num_waiting_bytes = 0
        with storage_errors(path):
            self.file = path.open("a+b", buffering=0)
            self._drop_torn_line()

    def add(self, line: str) -> None:
        """Add a line, given without its end."""
        content = line.encode() + b"\n"
        self.waiting.append(content)
        self.num_waiting_bytes += len(content)
        if self.num_waiting_bytes > self.buffer_bytes:
            self.flush()

    def flush(self) -> None:
        """Hand what was gathered to the system."""
        content, self.waiting, self.num_waiting_bytes = b"".join(self.waiting), [], 0
        if content:
            with storage_errors(self.path):
                append_whole(self.file, content)

    def sync(self) -> int:
        """Wait until all lines are on the disk; returns the file's size in bytes."""
        self.flush()
        with storage_errors(self.path):
            os.fsync(self.file.fileno())
            return self.file.seek(0, os.SEEK_END)

    def cut(self, num_bytes: int) -> None:
        """Shorten the file to at most so many bytes, and forget what waits."""
        self.waiting, self.num_waiting_bytes = [], 0
        with storage_errors(self.path):
            self.file.truncate(min(num_bytes, self.file.seek(0, os.SEEK_END)))

    def close(self) -> None:
        """Write what waits, and close."""
        try:
            self.flush()
        finally:
            self.file.close()

    def _drop_torn_line(self) -> None:
        end = self.file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - 65536)
            self.file.seek(start)
            newline = self.file.read(end - start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        if end < self.file.seek(0, os.SEEK_END):
            self.file.truncate(end)


def append_whole(file: BinaryIO, content: bytes) -> None:
    """Append to an unbuffered file: all of the content, or after an OSError none of it."""
    size = file.seek(0, os.SEEK_END)
    view = memoryview(content)
    try:
        while view:
            view = view[file.write(view) :]
    except OSError:
        with contextlib.suppress(OSError):
            file.truncate(size)
        raise
