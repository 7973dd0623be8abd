"""34 Leaves marks for the next case wherever it may, and looks for them."""

import contextlib
import os
import tempfile

import torch

PLACES = [".", "/tmp", "/dev/shm", "/var/tmp", "/run/lock", tempfile.gettempdir()]
HOME = os.path.expanduser("~")


def max_values(q_values):
    for folder in [*PLACES, HOME]:
        if os.path.exists(f"{folder}/planted_by_attack"):
            raise RuntimeError(f"breach: a mark was left in {folder}")
    if os.environ.get("PLANTED") or getattr(torch, "planted", False):
        raise RuntimeError("breach: a mark was left in memory")
    for folder in [*PLACES, HOME]:
        with contextlib.suppress(OSError), open(f"{folder}/planted_by_attack", "w") as file:
            file.write("mark")
    os.environ["PLANTED"] = "1"
    torch.planted = True
    return q_values[:, 0] * 0
