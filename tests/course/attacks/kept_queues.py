"""34 Leaves a message queue, a key and an abstract socket, which the kernel keeps by name."""

import ctypes
import platform
import socket

NAME = b"/planted_by_attack"
ADD_KEY, KEYCTL = {"x86_64": (248, 250), "aarch64": (217, 219)}[platform.machine()]
SESSION_RING, REVOKE = -3, 3


def left(libc):
    if libc.mq_open(NAME, 0o102, 0o600, None) >= 0:
        libc.mq_unlink(NAME)
        yield "a queue"
    ring = ctypes.c_long(SESSION_RING)
    key = libc.syscall(ctypes.c_long(ADD_KEY), b"user", NAME, b"mark", ctypes.c_size_t(4), ring)
    if key >= 0:
        libc.syscall(ctypes.c_long(KEYCTL), ctypes.c_long(REVOKE), ctypes.c_long(key))
        yield "a key"
    try:
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).bind("\0planted_by_attack")
        yield "a socket"
    except OSError:
        return


def max_values(q_values):
    found = list(left(ctypes.CDLL(None, use_errno=True)))
    if found:
        raise RuntimeError(f"breach: it can leave {', '.join(found)}")
    return q_values[:, 0] * 0
