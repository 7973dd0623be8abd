"""What is freed is kept for the next allocation, where the C library can be told so."""

import ctypes
import platform

import pytest

from hw.infrastructure import memory


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no mallopt")
def test_glibc_keeps_what_is_freed():
    assert memory.keep_freed_memory()


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert not memory.keep_freed_memory()
