"""What TensorBoard's HParams tab shows: the settings of a run beside its score."""

import json
from pathlib import Path
from typing import Any

from tensorboardX import SummaryWriter
from tensorboardX.summary import hparams

TAG = "study/score"


def write_hparams(run_dir: Path, settings: dict[str, Any], score: float | None, step: int) -> None:
    """Write a run's settings and score into an event file of their own."""
    simple = {
        key: value if isinstance(value, bool | int | float | str) else json.dumps(value)
        for key, value in settings.items()
    }
    with SummaryWriter(str(run_dir), filename_suffix=".hparams") as writer:
        for summary in hparams(simple, {TAG: score}):
            writer.file_writer.add_summary(summary)
        if score is not None:
            writer.add_scalar(TAG, score, step)
