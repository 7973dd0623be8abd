"""What a process gives up before it runs a student's code, beyond its user and its limits."""

import ctypes

PR_SET_NO_NEW_PRIVS = 38
PR_SET_DUMPABLE = 4


def confine(tier: str, tree: str) -> None:
    """Give up the right to gain rights, and what the tier adds to that.

    Args:
        tier: `T1`, `T2` or `T3`.
        tree: the folder that may be read.

    Raises:
        OSError: the kernel refused.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no_new_privs")
