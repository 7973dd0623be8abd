"""23 Watches files and folders of others: inotify, fanotify, leases, notices."""

import ctypes
import fcntl
import os


def watched(libc):
    yield libc.inotify_init1(0) >= 0
    yield libc.fanotify_init(0x200, 0) >= 0
    for command, value in ((fcntl.F_SETLEASE, fcntl.F_RDLCK), (fcntl.F_NOTIFY, 2)):
        descriptor = os.open("hw", os.O_RDONLY)
        try:
            fcntl.fcntl(descriptor, command, value)
            yield True
        except OSError:
            yield False


def max_values(q_values):
    if any(watched(ctypes.CDLL(None, use_errno=True))):
        raise RuntimeError("breach: it can watch files")
    return q_values[:, 0] * 0
