"""State dicts on disk. A file holds numbers and names only: loading one cannot run code.

A file is an uncompressed .npz archive (with its checksums) of plain arrays, and a JSON text that
says how they nest. Dicts with keys of any simple type, lists, tuples, numbers, strings, None, numpy
arrays and tensors can be saved; anything else is refused when saving.
"""

import json
import logging
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from hw.infrastructure.errors import UserError
from hw.infrastructure.interval import Interval

STRUCTURE = "structure.json"
logger = logging.getLogger(__name__)


def save_state(path: Path, state: Any) -> None:
    """Write a nested state beside `path` and rename it, so that a kill leaves no half file.

    Raises:
        TypeError: something in it is neither a number, a text, an array nor a container of those.
        UserError: the disk is full, or the directory cannot be written.
    """
    path = Path(path)
    arrays: dict[str, np.ndarray] = {}
    structure = json.dumps(_encode(state, arrays))
    arrays[STRUCTURE] = np.frombuffer(structure.encode(), np.uint8)
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def load_state(path: Path) -> Any:
    """Read what `save_state` wrote; tensors come back on the CPU.

    Raises:
        UserError: the file is missing, damaged, or not one of ours.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            structure = json.loads(_read_array(archive, STRUCTURE).tobytes().decode())
            return _decode(structure, archive)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such checkpoint") from error
    except Exception as error:  # zipfile, zlib and numpy do not list how a damaged file fails
        raise UserError(f"{path}: not a readable checkpoint ({error})") from error


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

    Args:
        run_dir: the run's directory.
        checkpoint_interval, snapshot_interval: in steps; None means only at the end.
        num_kept: number of checkpoints.
    """

    def __init__(
        self,
        run_dir: Path,
        checkpoint_interval: int | None,
        snapshot_interval: int | None,
        num_kept: int = 2,
    ):
        self.checkpoints = Path(run_dir) / "checkpoints"
        self.snapshots = Path(run_dir) / "snapshots"
        self.checkpoint_interval = Interval(checkpoint_interval)
        self.snapshot_interval = Interval(snapshot_interval)
        self.num_kept = num_kept

    def save_checkpoint(self, step: int, state: Any) -> Path:
        """Write the full state and drop the oldest checkpoint."""
        path = self.checkpoints / _file_name(step)
        save_state(path, state)
        for old in list_states(self.checkpoints)[: -self.num_kept]:
            old.unlink()
        return path

    def save_snapshot(self, step: int, weights: Any) -> Path:
        """Write the weights alone; snapshots are all kept."""
        path = self.snapshots / _file_name(step)
        save_state(path, weights)
        return path

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


def _encode(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """JSON for a value; arrays are put aside under a name of their own."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        pairs = [[_encode(key, arrays), _encode(item, arrays)] for key, item in value.items()]
        return {"dict": pairs}
    if isinstance(value, list):
        return {"list": [_encode(item, arrays) for item in value]}
    if isinstance(value, tuple):
        return {"tuple": [_encode(item, arrays) for item in value]}
    if isinstance(value, torch.Tensor | np.ndarray):
        is_tensor = isinstance(value, torch.Tensor)
        array = value.detach().cpu().numpy() if is_tensor else value
        if array.dtype.hasobject:
            raise TypeError("an array of Python objects cannot be saved")
        name = f"array_{len(arrays)}"
        arrays[name] = array
        return {"tensor" if is_tensor else "array": name}
    raise TypeError(f"a {type(value).__name__} cannot be saved in a checkpoint: {value!r}")


def _read_array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(f"{name}.npy") as member:
        array = np.lib.format.read_array(member, allow_pickle=False)
        if member.read(1):  # only at the member's end is its checksum verified
            raise ValueError(f"{name} holds more than its header says")
    return array


def _decode(structure: Any, archive: zipfile.ZipFile) -> Any:
    if not isinstance(structure, dict):
        return structure
    ((kind, content),) = structure.items()
    if kind == "dict":
        return {_decode(key, archive): _decode(item, archive) for key, item in content}
    if kind == "list":
        return [_decode(item, archive) for item in content]
    if kind == "tuple":
        return tuple(_decode(item, archive) for item in content)
    if kind == "tensor":
        return torch.from_numpy(_read_array(archive, content))
    if kind == "array":
        return _read_array(archive, content)
    raise ValueError(f"unknown kind {kind!r}")
