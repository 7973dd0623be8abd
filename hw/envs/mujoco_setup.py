"""Settings of MuJoCo that must stand before an environment is made; importing this makes them."""

import os
import sys
import warnings

# It renders without a display only if it is told so before it is imported.
if sys.platform == "linux" and not os.environ.get("DISPLAY"):
    os.environ.setdefault("MUJOCO_GL", "egl")

import mujoco


def forward_warning(message: str) -> None:
    """Pass a warning of the simulator on to Python, instead of a MUJOCO_LOG.TXT in each folder.

    That Gymnasium's models use a deprecated attribute is nothing that a user could mend.
    """
    if "deprecated" not in message:
        warnings.warn(f"MuJoCo: {message}", stacklevel=2)


mujoco.set_mju_user_warning(forward_warning)
