"""How much memory is left, a refusal before too much of it is asked for, and reuse of it."""

import ctypes
import os
from pathlib import Path

from hw.infrastructure.errors import UserError

LARGEST_KEPT_BLOCK = 32 * 2**20  # the most that glibc agrees to
LARGEST_KEPT_HEAP = 512 * 2**20
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # parameters of mallopt(3)


def keep_freed_memory() -> bool:
    """Let the C library keep what is freed, for the next allocation of that size.

    By default glibc returns a block of a few megabytes to the system when it is freed, and the
    system clears the next one page by page when it is touched. A minibatch of 256 Atari images is
    such a block (29 MB), and clearing took half the time of a gradient step on it. Blocks of more
    than 32 MB, such as a replay buffer, are returned as before.

    Returns:
        whether the C library is one that can be told so.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):
        return False  # no glibc
    kept = mallopt(_M_MMAP_THRESHOLD, LARGEST_KEPT_BLOCK)
    return bool(kept and mallopt(_M_TRIM_THRESHOLD, LARGEST_KEPT_HEAP))


def check_memory(num_bytes: int) -> None:
    """Refuse a replay buffer that would not fit, before any of it is allocated.

    Raises:
        UserError: it takes more bytes than are available.
    """
    available = available_memory()
    if available is not None and num_bytes > available:
        raise UserError(
            f"the replay buffer needs {num_bytes:,} bytes ({num_bytes / 1e9:.1f} GB) and "
            f"{available:,} ({available / 1e9:.1f} GB) are available: "
            "lower replay_buffer_capacity"
        )


def available_memory(root: Path = Path("/")) -> int | None:
    """Bytes that this process may still take, or None where the system does not say.

    The least of what the machine has left and what each enclosing control group does. Pages of
    files that have not been used lately count as free, since the kernel drops them when asked.

    Args:
        root: of the file system.
    """
    limits = [_machine_memory(root / "proc/meminfo"), *_control_group_memory(root)]
    return min((limit for limit in limits if limit is not None), default=None)


def _machine_memory(meminfo: Path) -> int | None:
    try:
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    except (OSError, ValueError):
        pass  # no Linux
    for pages in ("SC_AVPHYS_PAGES", "SC_PHYS_PAGES"):
        try:
            return os.sysconf(pages) * os.sysconf("SC_PAGE_SIZE")
        except (AttributeError, ValueError, OSError):
            continue
    return None


def _control_group_memory(root: Path) -> list[int]:
    """What is left in each control group around this process: version 2, or 1's `memory`."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    left = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            mount = root / "sys/fs/cgroup"
            names = ("memory.max", "memory.current", "inactive_file ")
        elif "memory" in controllers.split(","):
            mount = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file ")
        else:
            continue
        innermost = mount / path.strip("/")
        for group in (innermost, *innermost.parents):
            if group.is_relative_to(mount):
                left += _left_in_group(group, *names)
    return left


def _left_in_group(group: Path, limit_name: str, used_name: str, droppable: str) -> list[int]:
    """Bytes left in one control group, as a list; empty where it sets no limit."""
    try:
        limit, used = (group / limit_name).read_text().strip(), (group / used_name).read_text()
        lines = (group / "memory.stat").read_text().splitlines()
    except OSError:
        return []  # the group is not visible in this container, or the root, which has no limit
    if limit == "max":
        return []
    reclaimable = sum(int(line.split()[1]) for line in lines if line.startswith(droppable))
    return [max(0, int(limit) - int(used) + reclaimable)]
