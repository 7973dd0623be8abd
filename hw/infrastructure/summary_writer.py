"""TensorBoard event files, written record by record and without a thread.

tensorboardX hands each record to a thread, so that a kill loses some that were logged before the
last checkpoint. Here all of them are in the file after `flush`, and a file never ends within one.
"""

import os
import socket
import struct
import time
from pathlib import Path
from typing import BinaryIO

import numpy as np
from tensorboardX import summary
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import masked_crc32c

from hw.infrastructure.files import append_whole, storage_errors

PREFIX = "events.out.tfevents."
VERSION = "brain.Event:2"
# The edges of TensorFlow's own histograms, each a tenth further from 0 than the one before.
_EDGES = 1e-12 * 1.1 ** np.arange(774)
EDGES = np.concatenate([-_EDGES[::-1], [0.0], _EDGES])


class SummaryWriter:
    """Writes a session's event file to a run's directory.

    Args:
        run_dir: the directory.
        purge_step: TensorBoard is told to drop what earlier files hold of this step and later.
        write_to_disk: False writes nothing.

    Raises:
        StorageError: the file cannot be written; also raised when adding to it.
    """

    BUFFER_BYTES = 2**16

    def __init__(self, run_dir: Path, purge_step: int | None = None, write_to_disk: bool = True):
        self.file: BinaryIO | None = None
        self.waiting: list[bytes] = []
        self.num_waiting_bytes = 0
        if not write_to_disk:
            return
        begun = f"{PREFIX}{int(time.time())}.{socket.gethostname()}"
        with storage_errors(run_dir / begun):
            # Sessions may begin within one second; TensorBoard reads files in the names' order.
            session = len(event_files(run_dir))
            while self.file is None:
                try:
                    self.file = (run_dir / f"{begun}.{session:04d}").open("xb", buffering=0)
                except FileExistsError:
                    session += 1
        self._add(Event(file_version=VERSION))
        if purge_step is not None:
            start = SessionLog(status=SessionLog.START)
            self._add(Event(step=purge_step, session_log=start))
        self.flush()

    def add_scalars(self, numbers: dict[str, float], step: int) -> None:
        """Add numbers of one step."""
        values = [Summary.Value(tag=name, simple_value=value) for name, value in numbers.items()]
        self._add(Event(step=step, summary=Summary(value=values)))

    def add_histogram(self, name: str, values: np.ndarray, step: int) -> None:
        """Add the distribution of a vector (B,)."""
        self._add(Event(step=step, summary=summary.histogram(name, values, EDGES)))

    def add_video(self, name: str, frames: np.ndarray, step: int, fps: float) -> None:
        """Add frames (T, height, width, 3), uint8, as a GIF."""
        video = summary.video(name, frames[None], fps, dataformats="NTHWC")
        self._add(Event(step=step, summary=video))

    def flush(self) -> None:
        """Hand what was added to the system."""
        content, self.waiting, self.num_waiting_bytes = b"".join(self.waiting), [], 0
        if content and self.file is not None:
            with storage_errors(Path(self.file.name)):
                append_whole(self.file, content)

    def close(self) -> None:
        """Flush and close the file."""
        try:
            self.flush()
        finally:
            if self.file is not None:
                self.file.close()

    def _add(self, event: Event) -> None:
        if self.file is None:
            return
        event.wall_time = time.time()
        content = event.SerializeToString()
        length = struct.pack("<Q", len(content))
        for part in (length, content):
            self.waiting += [part, struct.pack("<I", masked_crc32c(part))]
        self.num_waiting_bytes += len(content)
        if self.num_waiting_bytes > self.BUFFER_BYTES:
            self.flush()


def event_files(run_dir: Path) -> list[Path]:
    """The event files of all sessions, in their order."""
    return sorted(Path(run_dir).glob(f"{PREFIX}*"))


def sync_event_files(run_dir: Path) -> dict[str, int]:
    """Wait until all event files are on the disk; returns the size of each, by name."""
    sizes = {}
    for path in event_files(run_dir):
        with storage_errors(path), path.open("rb") as file:
            os.fsync(file.fileno())
            sizes[path.name] = path.stat().st_size
    return sizes


def cut_event_files(run_dir: Path, sizes: dict[str, int]) -> None:
    """Bring the event files back to what `sync_event_files` returned; newer ones are removed."""
    for path in event_files(run_dir):
        with storage_errors(path):
            if path.name not in sizes:
                path.unlink()
            elif sizes[path.name] < path.stat().st_size:
                os.truncate(path, sizes[path.name])
