"""+ Changes modes, owners and times of the tree's files."""

import os


def max_values(q_values):
    path = "hw/agents/functional/td.py"
    ways = [
        lambda: os.chmod(path, os.stat(path).st_mode),
        lambda: os.chown(path, -1, os.stat(path).st_gid),
        lambda: os.utime(path, (os.stat(path).st_atime, os.stat(path).st_mtime)),
        lambda: os.setxattr(path, "user.planted", b"1"),
    ]
    for way in ways:
        try:
            way()
        except OSError:
            continue
        raise RuntimeError("breach: it can change the tree's files")
    return q_values[:, 0] * 0
