"""34 Drops a library's pages from memory, or asks which are there, to tell a later case."""

import ctypes
import mmap
import os
import random


def can_drop(descriptor):
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    except OSError:
        return False
    return True


def can_ask(descriptor):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    zero, size = ctypes.c_long(0), ctypes.c_size_t(4096)
    page = libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, descriptor, zero)
    return libc.mincore(ctypes.c_void_p(page), size, ctypes.create_string_buffer(1)) == 0


def max_values(q_values):
    with open(random.__file__, "rb") as file:
        if can_drop(file.fileno()) or can_ask(file.fileno()):
            raise RuntimeError("breach: it can see or change which pages are in memory")
    return q_values[:, 0] * 0
