"""Files are whole or not there, and lines are whole, whatever fails."""

import errno
import os
import stat

import pytest

from hw.infrastructure.errors import StorageError
from hw.infrastructure.files import LineFile, append_whole, replacing


def test_a_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / "new" / "a"
    with replacing(path) as file:
        file.write(b"content")
        assert not path.exists()
    assert path.read_bytes() == b"content"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
def test_whatever_interrupts_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def write_and_stop():
        with replacing(path) as file:
            file.write(b"new")
            raise error

    with pytest.raises(error):
        write_and_stop()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_that_is_none_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StorageError, match="cannot write .*file/a: "),
        replacing(tmp_path / "file/a"),
    ):
        pass


def test_lines_are_there_at_once_or_when_enough_wait(tmp_path):
    at_once, gathered = LineFile(tmp_path / "a"), LineFile(tmp_path / "b", buffer_bytes=10)
    for file in (at_once, gathered):
        file.add("γ 1")
    assert (tmp_path / "a").read_text(encoding="utf-8") == "γ 1\n"
    assert (tmp_path / "b").read_text() == ""
    gathered.add("second")
    assert (tmp_path / "b").read_text(encoding="utf-8") == "γ 1\nsecond\n"
    gathered.add("third")
    gathered.close()
    at_once.close()
    assert (tmp_path / "b").read_text(encoding="utf-8") == "γ 1\nsecond\nthird\n"


@pytest.mark.parametrize("torn", ["", "to", "x" * 200_000])
@pytest.mark.parametrize("whole", ["", "one\n", "one\n\ntwo\n", "x" * 70_000 + "\n"])
def test_a_torn_line_is_dropped_when_the_file_is_opened(tmp_path, whole, torn):
    path = tmp_path / "a"
    path.write_text(whole + torn)
    file = LineFile(path)
    file.add("next")
    file.close()
    assert path.read_text() == whole + "next\n"


class FullDisk:
    """A file of which a write brings a few bytes to the disk, and the next none."""

    def __init__(self, file):
        self.file, self.room = file, 3
        self.seek, self.truncate, self.name = file.seek, file.truncate, file.name

    def write(self, content):
        if self.room == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written, self.room = self.file.write(content[: self.room]), 0
        return written


def test_a_full_disk_leaves_no_half_of_what_was_appended(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"before")
    with path.open("ab", buffering=0) as file, pytest.raises(OSError, match="No space"):
        append_whole(FullDisk(file), b"more than three")
    assert path.read_bytes() == b"before"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_directory_is_named(tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(StorageError, match="cannot write .*a: Permission denied"):
        LineFile(tmp_path / "a")
