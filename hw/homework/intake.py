"""Reading a submission from a folder or an untrusted archive.

Nothing of it is imported or executed. Made to be hostile, an archive may cost a second and 200 MB,
so a grader does this in a process with limits.
"""

import gzip
import io
import math
import os
import stat
import unicodedata
import zipfile
from pathlib import Path
from typing import BinaryIO, NoReturn

from hw.homework.rules import HAND_IN, MAX_BYTES, MAX_FILES, check_name, plain
from hw.homework.submission import Submission
from hw.infrastructure.errors import UserError


def open_submission(path: Path, into: Path) -> Submission:
    """Read a submission, and write it into a new folder.

    Args:
        path: a folder, or a zip, tar or tar.gz file.
        into: a folder that does not exist yet, or is empty.

    Raises:
        UserError: as `read_submission`; then nothing is written.
    """
    submission = read_submission(path)
    submission.write(into)
    return submission


def read_submission(path: Path) -> Submission:
    """Read a submission from a folder, or a zip, tar or tar.gz file, none of which is trusted.

    Raises:
        UserError: it is damaged, too large, or holds what no submission may: links, devices, a name
            that leads out of it or that not every system can write, a name twice, encrypted files.
    """
    intake = Intake()
    try:
        if path.is_dir():
            _read_folder(path, "", intake)
        elif not path.is_file():
            raise UserError("there is no such file")
        else:
            _read_archive(path, intake)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or 'damaged'}") from error
    except Exception as error:  # a damaged archive may fail in any way
        raise UserError(f"{path}: cannot be read: it is damaged") from error
    return Submission(intake.files)


class Intake:
    """Takes in the files of a submission one by one, and refuses what none may hold."""

    def __init__(self):
        self.files: dict[str, bytes] = {}
        self.num_entries = 0
        self.num_bytes = 0
        self._file_keys: set[str] = set()
        self._folder_keys: set[str] = set()

    def add(self, name: str, stream: BinaryIO) -> None:
        """Read a file to its end.

        Raises:
            UserError: its name is forbidden or was there already, or the limits are exceeded.
        """
        check_name(name)
        self._enter(name, is_folder=False)
        content = stream.read(MAX_BYTES - self.num_bytes + 1)
        self.num_bytes += len(content)
        if self.num_bytes > MAX_BYTES:
            raise UserError(f"holds more than {MAX_BYTES} bytes")
        self.files[name] = content

    def add_folder(self, name: str) -> None:
        """Take note of a folder.

        Raises:
            UserError: as `add`.
        """
        check_name(name)
        self._enter(name, is_folder=True)

    def _enter(self, name: str, is_folder: bool) -> None:
        self.num_entries += 1
        if self.num_entries > MAX_FILES:
            raise UserError(f"holds more than {MAX_FILES} files")
        key = unicodedata.normalize("NFC", name).casefold()  # some systems take them for the same
        parts = key.split("/")
        folders = {"/".join(parts[:i]) for i in range(1, len(parts) + is_folder)}
        is_taken = not is_folder and key in self._file_keys | self._folder_keys
        if is_taken or folders & self._file_keys:
            raise UserError(f"holds {plain(name)} twice")
        self._folder_keys |= folders
        self._file_keys |= set() if is_folder else {key}


def _read_folder(folder: Path, prefix: str, intake: Intake) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            name = prefix + entry.name
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                intake.add_folder(name)
                _read_folder(Path(entry.path), f"{name}/", intake)
            elif stat.S_ISREG(mode):
                with open(entry.path, "rb") as file:
                    intake.add(name, file)
            else:
                _refuse_kind(name)


def _read_archive(path: Path, intake: Intake) -> None:
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise UserError(f"is larger than {MAX_BYTES} bytes")
    if content.startswith(b"PK\3\4"):
        _read_zip(content, intake)
        return
    if content.startswith(b"\x1f\x8b"):
        limit = MAX_BYTES + 1024 * MAX_FILES  # with headers
        content = gzip.GzipFile(fileobj=io.BytesIO(content)).read(limit + 1)
        if len(content) > limit:
            raise UserError(f"holds more than {MAX_BYTES} bytes")
    if content[257:262] != b"ustar":
        raise UserError(f"is neither a zip nor a tar file; {HAND_IN}")
    _read_tar(content, intake)


def _read_zip(content: bytes, intake: Intake) -> None:
    # Each entry of the directory begins so: count them before any is read.
    if content.count(b"PK\1\2") > MAX_FILES:
        raise UserError(f"holds more than {MAX_FILES} files")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = sorted(archive.infolist(), key=lambda entry: entry.header_offset)
        ends = [entry.header_offset + 30 + entry.compress_size for entry in entries]
        begins = [entry.header_offset for entry in entries[1:]] + [len(content)]
        if any(end > begin for end, begin in zip(ends, begins, strict=True)):
            raise UserError(f"holds files that overlap; {HAND_IN}")
        for entry in archive.infolist():
            name = entry.orig_filename
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if entry.flag_bits & 0x2041:
                raise UserError(f"{plain(name)} is encrypted; {HAND_IN}")
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                _refuse_kind(name)
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise UserError(f"{plain(name)} is compressed in an unusual way; {HAND_IN}")
            if name.endswith("/"):
                intake.add_folder(name[:-1])
            else:
                with archive.open(entry) as stream:
                    intake.add(name, stream)


def _read_tar(content: bytes, intake: Intake) -> None:
    """Read a tar file. `tarfile` can be made to hang by its headers, so it is not used."""
    start, long_name, num_headers = 0, None, 0
    while header := content[start : start + 512].rstrip(b"\0"):
        header = header.ljust(512, b"\0")
        num_headers += 1
        total = sum(header) - sum(header[148:156]) + 8 * ord(" ")
        size = _octal(header[124:136])
        data = content[start + 512 : start + 512 + size]
        if _octal(header[148:156]) != total or len(data) != size:
            raise UserError("cannot be read: it is damaged")
        start += 512 + math.ceil(size / 512) * 512
        kind = header[156:157]
        if num_headers > 4 * MAX_FILES or (kind in b"Lx" and size > 10_000):
            raise UserError(f"holds more than {MAX_FILES} files, or names without end")
        if kind == b"L":
            long_name = data.rstrip(b"\0")
        elif kind == b"x":
            long_name = _pax_path(data) or long_name
        elif kind != b"g":  # which says something of all files
            prefix = header[345:500] if header[257:263] == b"ustar\0" else b""
            parts = [part.split(b"\0")[0] for part in (prefix, header[:100])]
            name = (long_name or b"/".join(part for part in parts if part)).decode("utf-8")
            long_name = None
            _add_tar_entry(name, kind, data, intake)


def _add_tar_entry(name: str, kind: bytes, data: bytes, intake: Intake) -> None:
    if kind not in (b"0", b"\0", b"5"):
        _refuse_kind(name)
    is_folder = kind == b"5" or name.endswith("/")
    if is_folder and name in (".", "./"):
        return
    name = name.removeprefix("./")
    if is_folder:
        intake.add_folder(name.removesuffix("/"))
    else:
        intake.add(name, io.BytesIO(data))


def _pax_path(data: bytes) -> bytes | None:
    """The path in an extended header, whose records are `length key=value` and a new line."""
    path = None
    start = 0
    while start < len(data):
        length = data[start : start + 10].split(b" ")[0]
        if not length.isdigit() or not 0 < int(length) <= len(data) - start:
            raise UserError("cannot be read: it is damaged")
        record = data[start + len(length) + 1 : start + int(length)]
        key, _, value = record.removesuffix(b"\n").partition(b"=")
        if key == b"size" or key.startswith(b"GNU.sparse"):
            raise UserError(f"holds a file in an unusual form; {HAND_IN}")
        path = value if key == b"path" else path
        start += int(length)
    return path


def _octal(field_bytes: bytes) -> int:
    return int(field_bytes.strip(b" \0").decode("ascii") or "0", 8)


def _refuse_kind(name: str) -> NoReturn:
    raise UserError(f"{plain(name)} is a link or a device, not a file; {HAND_IN}")
