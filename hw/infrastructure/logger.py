"""Writes what a run measures: TensorBoard event files, metrics.jsonl, videos, and W&B if asked."""

import contextlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hw.infrastructure.errors import MissingExtraError
from hw.infrastructure.files import UNFINISHED, LineFile, storage_errors
from hw.infrastructure.summary_writer import SummaryWriter, cut_event_files, sync_event_files
from hw.infrastructure.wandb_run import WandbRun

BUFFER_BYTES = 2**16
# Of the copy of a video that TensorBoard shows, as a GIF.
MAX_PREVIEW_FRAMES = 100
MAX_PREVIEW_SIDE = 240


class Logger:
    """Logs to one run directory.

    `metrics.jsonl` gets one object a step: what is logged under one step is gathered and written
    when a later step is logged, or at `flush`. Values that are not finite are written as null. The
    files hold only whole lines and records, whenever the run is killed.

    Args:
        run_dir: the run's directory, which exists.
        config: the run's settings, for W&B.
        use_wandb: also log to Weights & Biases (extra `wandb`).
        log_every_step: let `log_step` write steps.jsonl, for looking at single transitions.

    Raises:
        StorageError: the directory cannot be written; also raised while logging.
    """

    def __init__(
        self,
        run_dir: Path,
        config: dict[str, Any] | None = None,
        use_wandb: bool = False,
        log_every_step: bool = False,
    ):
        self.run_dir = Path(run_dir)
        self.metrics_path = self.run_dir / "metrics.jsonl"
        self.row: dict[str, Any] = {}
        self.last_step = 0
        self.metrics_file = LineFile(self.metrics_path, BUFFER_BYTES)
        self.steps_file = None
        if log_every_step:
            self.steps_file = LineFile(self.run_dir / "steps.jsonl", BUFFER_BYTES)
        self._writer: SummaryWriter | None = None
        self._purge_step: int | None = None
        self.wandb_run = WandbRun(self.run_dir, config or {}) if use_wandb else None

    @property
    def writer(self) -> SummaryWriter:
        """The TensorBoard writer, opened at its first use."""
        if self._writer is None:
            self._writer = SummaryWriter(self.run_dir, purge_step=self._purge_step)
        return self._writer

    def log_scalar(self, value: Any, name: str, step: int) -> None:
        """Log one number (also a 0-d array or tensor) under a name like "critic/loss"."""
        self.log_scalars({name: value}, step)

    def log_scalars(self, scalars: dict[str, Any], step: int) -> None:
        """Log several numbers; a value that is a vector becomes a histogram."""
        if not scalars:
            return
        if self.row and self.row["step"] != step:
            self._write_row()
        self.row["step"] = self.last_step = step
        numbers = {}
        for name, value in scalars.items():
            if np.ndim(value) > 0:
                self.log_histogram(value, name, step)
                continue
            number = numbers[name] = value if isinstance(value, int) else float(value)
            self.row[name] = number if math.isfinite(number) else None
        if numbers:
            self.writer.add_scalars(numbers, step)

    def log_histogram(self, values: Any, name: str, step: int) -> None:
        """Log the distribution of a vector of values; what is not finite is left out."""
        values = values.detach().cpu() if isinstance(values, torch.Tensor) else values
        values = np.asarray(values).ravel()
        values = values[np.isfinite(values)]
        if values.size:
            self.writer.add_histogram(name, values, step)
            if self.wandb_run is not None:
                self.wandb_run.log_histogram(values, name, step)

    def log_episode(self, episode_return: float, episode_length: float, step: int) -> None:
        """Log a training episode that ended at this step, or the mean of several."""
        self.log_scalars(
            {"train/return": episode_return, "train/episode_length": episode_length}, step
        )

    def log_step(self, quantities: dict[str, Any], step: int) -> None:
        """Write one environment step (actions, rewards, ...) to steps.jsonl, if asked."""
        if self.steps_file is not None:
            row = {name: np.asarray(value).tolist() for name, value in quantities.items()}
            self.steps_file.add(json.dumps({"step": step, **row}))

    def log_video(self, frames: np.ndarray, name: str, step: int, fps: float) -> Path:
        """Write frames (T, height, width, 3), uint8, as videos/<name>_step_<step>.mp4.

        TensorBoard shows a smaller copy, with frames left out.

        Raises:
            MissingExtraError: the extra `video` is not installed.
        """
        path = self.run_dir / "videos" / f"{name.replace('/', '_')}_step_{step}.mp4"
        write_video(frames, path, fps)
        stride = math.ceil(len(frames) / MAX_PREVIEW_FRAMES)
        shrink = math.ceil(max(frames.shape[1:3]) / MAX_PREVIEW_SIDE)
        preview = frames[::stride, ::shrink, ::shrink]
        self.writer.add_video(name, preview, step, fps=max(1.0, fps / stride))
        if self.wandb_run is not None:
            self.wandb_run.log_video(path, name, step)
        return path

    def flush(self) -> None:
        """Bring everything logged so far to the files."""
        self._write_row()
        for file in self._files():
            file.flush()

    def close(self) -> None:
        """Flush and close the files."""
        try:
            self.flush()
        finally:
            for file in self._files():
                file.close()
            if self.wandb_run is not None:
                self.wandb_run.finish()

    def state_dict(self) -> dict[str, Any]:
        """How far the files reach; all of that is on the disk then."""
        self.flush()
        return {
            "metrics_bytes": self.metrics_file.sync(),
            "steps_bytes": self.steps_file.sync() if self.steps_file else 0,
            "event_bytes": sync_event_files(self.run_dir),
            "last_step": self.last_step,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Cut the files back to where they were, so that no step is logged twice.

        This session's events go to a file of their own. A TensorBoard that has seen what was cut
        off is told to drop it.
        """
        self.row = {}
        self.metrics_file.cut(state["metrics_bytes"])
        if self.steps_file is not None:
            self.steps_file.cut(state["steps_bytes"])
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        cut_event_files(self.run_dir, state["event_bytes"])
        self.last_step = state["last_step"]
        self._purge_step = self.last_step + 1

    def begin_anew(self) -> None:
        """Drop all that was logged: the run begins again at its first step."""
        self.load_state_dict(
            {"metrics_bytes": 0, "steps_bytes": 0, "event_bytes": {}, "last_step": -1}
        )

    def _files(self) -> list[LineFile | SummaryWriter]:
        """Those that are open."""
        files = (self.metrics_file, self.steps_file, self._writer)
        return [file for file in files if file is not None]

    def _write_row(self) -> None:
        if not self.row:
            return
        row, self.row = self.row, {}
        self.metrics_file.add(json.dumps(row))
        if self.wandb_run is not None:
            self.wandb_run.log_row(row)


def write_video(frames: np.ndarray, path: Path, fps: float) -> None:
    """Write frames (T, height, width, 3), uint8, as an mp4 file, which is whole or not there.

    Raises:
        MissingExtraError: the extra `video` is not installed.
        StorageError: the file cannot be written.
    """
    try:
        from moviepy import VideoClip
    except ImportError as error:
        raise MissingExtraError("writing a video", "video") from error
    # Players want even sides.
    height, width = (side - side % 2 for side in frames.shape[1:3])
    # moviepy rounds duration * fps down to a number of frames: half a frame more keeps the last.
    duration = (len(frames) + 0.5) / fps
    clip = VideoClip(lambda t: frames[round(t * fps), :height, :width], duration=duration)
    unfinished = path.with_name(f"{path.stem}{UNFINISHED}{path.suffix}")
    try:
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            clip.write_videofile(str(unfinished), fps=fps, audio=False, logger=None)
            unfinished.replace(path)
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)


def write_picture(frame: np.ndarray, path: Path) -> None:
    """Write a frame (height, width, 3), uint8, as a png file.

    Raises:
        MissingExtraError: the extra `video` is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError("writing a picture", "video") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(frame).save(path)
