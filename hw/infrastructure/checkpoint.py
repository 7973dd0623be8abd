"""A run's directory of states: full checkpoints, of which few are kept, and snapshots."""

import contextlib
import logging
import math
from pathlib import Path
from typing import Any

from torch import nn

from hw.infrastructure.errors import UserError
from hw.infrastructure.files import UNFINISHED
from hw.infrastructure.interval import Interval
from hw.infrastructure.segments import SegmentStore
from hw.infrastructure.state_file import (
    SEGMENTS,
    load_state,
    read_about,
    save_state,
    segments_of,
)

DAMAGED = ".damaged"
logger = logging.getLogger(__name__)


class SavedModule(nn.Module):
    """A module whose `state_dict()` can be written to a file and read back."""

    def save(self, path: Path) -> None:
        """Write the state."""
        save_state(path, self.state_dict())

    def load(self, path: Path) -> None:
        """Read what `save` wrote.

        Raises:
            UserError: the file is missing or damaged.
        """
        self.load_state_dict(load_state(path))


class CheckpointDirectory:
    """A run's `checkpoints/`, full states of which the last few are kept, and its `snapshots/`.

    The checkpoint with the best evaluation is kept besides. Replay buffers lie in
    `checkpoints/segments/`, which the checkpoints share.

    Args:
        run_dir: the run's directory.
        checkpoint_interval, snapshot_interval: in steps; None means only at the end.
        num_kept: number of checkpoints.
        about: what each checkpoint is to say about its run, see `state_file.read_about`.
    """

    def __init__(
        self,
        run_dir: Path,
        checkpoint_interval: int | None,
        snapshot_interval: int | None,
        num_kept: int = 2,
        about: dict[str, Any] | None = None,
    ):
        self.checkpoints = Path(run_dir) / "checkpoints"
        self.snapshots = Path(run_dir) / "snapshots"
        self.segments = SegmentStore(self.checkpoints / SEGMENTS)
        self.checkpoint_interval = Interval(checkpoint_interval)
        self.snapshot_interval = Interval(snapshot_interval)
        self.num_kept = num_kept
        self.about = about or {}

    def save_checkpoint(self, step: int, state: Any, score: float | None = None) -> Path:
        """Write the full state, and drop the checkpoints that are neither among the last nor best.

        Args:
            step: of the state.
            state: see `save_state`.
            score: the evaluation of this very state, if there was one; more is better.
        """
        path = self.checkpoints / _file_name(step)
        save_state(path, state, self.segments, self.about | {"score": score})
        self.tidy()
        return path

    def tidy(self) -> None:
        """Remove what nothing needs any more: checkpoints, segments, what a kill left behind."""
        states = list_states(self.checkpoints)
        best = best_state(self.checkpoints)
        for old in states[: -self.num_kept]:
            if old != best:
                old.unlink()
        for unfinished in self.checkpoints.glob(f"*{UNFINISHED}"):
            unfinished.unlink(missing_ok=True)
        with contextlib.suppress(UserError):  # of a damaged file it is not known what it needs
            needed = [segments_of(path) for path in list_states(self.checkpoints)]
            self.segments.remove_all_but(set().union(*needed))

    def save_snapshot(self, step: int, weights: Any) -> Path:
        """Write the weights alone; snapshots are all kept."""
        path = self.snapshots / _file_name(step)
        save_state(path, weights)
        return path

    def put_aside_after(self, step: int) -> None:
        """Rename checkpoints of later steps, none of which could be read, to *.damaged."""
        for path in list_states(self.checkpoints):
            if step_of(path) > step:
                path.rename(path.with_name(path.name + DAMAGED))

    def last_good(self) -> str:
        """What is left of the run if it ends here, in words."""
        states = list_states(self.checkpoints)
        return f"the last good checkpoint is {states[-1]}" if states else "without a checkpoint yet"

    def state_dict(self) -> dict[str, Any]:
        """Where the intervals stand."""
        return {
            "checkpoint_interval": self.checkpoint_interval.state_dict(),
            "snapshot_interval": self.snapshot_interval.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict()`."""
        self.checkpoint_interval.load_state_dict(state["checkpoint_interval"])
        self.snapshot_interval.load_state_dict(state["snapshot_interval"])
        self.segments.forget()


def list_states(directory: Path) -> list[Path]:
    """The states in a checkpoints or snapshots directory, oldest first."""
    return sorted(Path(directory).glob("step_*.npz"))


def step_of(path: Path) -> int:
    """The step at which a state in such a directory was saved; 0 for another name."""
    digits = path.stem.removeprefix("step_")
    return int(digits) if digits.isdigit() else 0


def latest_state(directory: Path) -> Path:
    """The newest state in a checkpoints or snapshots directory.

    Raises:
        UserError: there is none.
    """
    states = list_states(directory)
    if not states:
        raise UserError(f"{directory}: holds no step_*.npz")
    return states[-1]


def best_state(directory: Path) -> Path | None:
    """The checkpoint with the highest score, the oldest of several; None if none has one."""
    best, highest = None, -math.inf
    for path in list_states(directory):
        with contextlib.suppress(UserError):
            score = read_about(path).get("score")
            if score is not None and score > highest:
                best, highest = path, score
    return best


def load_latest_state(directory: Path) -> tuple[Path, Any]:
    """The newest state that can be read, and its file; a damaged one is named and passed over.

    Raises:
        UserError: there is none; the message is about the newest.
    """
    first_error = None
    for path in reversed(list_states(directory)):
        try:
            return path, load_state(path)
        except UserError as error:
            logger.warning("%s", error)
            first_error = first_error or error
    raise first_error or UserError(f"{directory}: holds no step_*.npz")


def _file_name(step: int) -> str:
    return f"step_{step:012d}.npz"
