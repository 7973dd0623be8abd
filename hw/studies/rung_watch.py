"""Stops a trainer that early stopping gives up on."""

from pathlib import Path

from hw.infrastructure.trainer import Trainer
from hw.studies.early_stop import Rungs


class RungWatch:
    """Asks a trainer to stop after an evaluation that a rung does not let pass.

    Args:
        rungs: of the study.
        trainer: of a trial; its `evaluate` is extended.
        folder: where the trials' notes lie.
        name: of the trial.
    """

    def __init__(self, rungs: Rungs, trainer: Trainer, folder: Path, name: str):
        self.rungs, self.trainer, self.folder, self.name = rungs, trainer, folder, name
        self.has_stopped = False
        self._evaluate = trainer.evaluate
        trainer.evaluate = self.evaluate_and_decide

    def evaluate_and_decide(self) -> None:
        """Evaluate, and stop a trainer that has not finished if it lags behind."""
        self._evaluate()
        trainer = self.trainer
        value = trainer.last_evaluation["eval/return_mean"]
        goes_on = self.rungs.goes_on(trainer.step, value, self.folder, self.name)
        if not goes_on and not trainer.is_finished():
            self.has_stopped = trainer.stop.is_requested = True
