"""Settings of MuJoCo that must stand before an environment is made."""

import functools
import os
import sys
import warnings


@functools.cache
def prepare_mujoco() -> None:
    """Let MuJoCo render without a display, and send its warnings to Python's.

    Otherwise it would write them to a MUJOCO_LOG.TXT in whatever folder one stands in.
    """
    # Read when MuJoCo is imported.
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        os.environ.setdefault("MUJOCO_GL", "egl")

    try:
        import mujoco
    except ImportError:
        return  # whoever makes a MuJoCo environment is told then

    mujoco.set_mju_user_warning(forward_warning)


def forward_warning(message: str) -> None:
    """Pass a warning on; that Gymnasium's models use deprecated attributes no user could mend."""
    if "deprecated" not in message:
        warnings.warn(f"MuJoCo: {message}", stacklevel=2)
