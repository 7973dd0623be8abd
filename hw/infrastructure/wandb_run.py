"""A run as Weights & Biases sees it."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from hw.infrastructure.errors import MissingExtraError


class WandbRun:
    """Logs to W&B, online where there is an API key, else to files that `wandb sync` uploads.

    Runs of one experiment form a group, whose seeds the site draws as one curve; the environment
    variable WANDB_RUN_GROUP names another. A resumed run goes on under its id, and steps that W&B
    has already seen are ignored there.

    Args:
        run_dir: the run's directory.
        config: the run's settings.

    Raises:
        MissingExtraError: the extra `wandb` is not installed.
    """

    def __init__(self, run_dir: Path, config: dict[str, Any]):
        try:
            import wandb
        except ImportError as error:
            raise MissingExtraError("use_wandb: true", "wandb") from error
        self.wandb = wandb
        names = [str(config[key]) for key in ("base_config", "exp_name") if key in config]
        self.run = wandb.init(
            project="hw",
            # A study's runs are called alike in every study.
            id="_".join(run_dir.resolve().parts[-3:]),
            resume="allow",
            name=run_dir.name,
            group=os.environ.get("WANDB_RUN_GROUP") or "_".join(names) or None,
            dir=str(run_dir),
            config=config,
            mode="offline" if wandb.api.api_key is None else "online",
        )

    def log_row(self, row: dict[str, Any]) -> None:
        """Log the numbers of one step, which the row has under `step`."""
        values = {name: value for name, value in row.items() if name != "step"}
        self.run.log(values, step=row["step"])

    def log_histogram(self, values: np.ndarray, name: str, step: int) -> None:
        """Log the distribution of finite values."""
        self.run.log({name: self.wandb.Histogram(values)}, step=step)

    def log_video(self, path: Path, name: str, step: int) -> None:
        """Log a video file."""
        self.run.log({name: self.wandb.Video(str(path), format="mp4")}, step=step)

    def finish(self) -> None:
        """Write what is left."""
        self.run.finish()
