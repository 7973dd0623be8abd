"""20 Opens sockets of all kinds."""

import socket


def max_values(q_values):
    kinds = [
        (socket.AF_INET, socket.SOCK_STREAM),
        (socket.AF_INET, socket.SOCK_DGRAM),
        (socket.AF_INET6, socket.SOCK_STREAM),
        (socket.AF_UNIX, socket.SOCK_STREAM),
        (socket.AF_NETLINK, socket.SOCK_RAW),
    ]
    opened = []
    for family, kind in kinds:
        try:
            opened.append(socket.socket(family, kind))
        except OSError:
            continue
    if opened:
        opened[0].bind(("127.0.0.1", 48613))
        raise RuntimeError("breach: it can open sockets")
    return q_values[:, 0] * 0
