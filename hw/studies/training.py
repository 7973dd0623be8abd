"""The process of a trial: a run like any other, which leaves an outcome."""

import contextlib
import fcntl
import os
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from multiprocessing import parent_process
from multiprocessing.connection import wait
from pathlib import Path

from hw.env_configs.assemble import make_trainer, resume
from hw.env_configs.loading import load_config, load_run_config
from hw.infrastructure.checkpoint import list_states
from hw.infrastructure.errors import UserError
from hw.infrastructure.memory import keep_freed_memory
from hw.infrastructure.run_dir import write_config
from hw.infrastructure.trainer import Trainer
from hw.studies.hparams import write_hparams
from hw.studies.rung_watch import RungWatch
from hw.studies.trial import OUTPUT, Outcome, Trial, read_outcome, write_outcome

LOCK = ".lock"


def run_trial(trial: Trial) -> None:
    """Train until there is an outcome, or until a signal asks for an end; for a fresh process.

    A run that has a checkpoint goes on from there, and one without begins anew. While another
    process still runs the trial, such as an orphan of a killed sweep, this one waits.
    """
    stop_with_parent()
    with only_process(trial.run_dir):
        if read_outcome(trial) is not None:
            return
        with output_to(trial.run_dir / OUTPUT):
            outcome = train_safely(trial)
        if outcome is not None:
            write_outcome(trial, outcome)


def train_safely(trial: Trial) -> Outcome | None:
    """As `train`, but an error is an outcome too."""
    try:
        return train(trial)
    except UserError as error:
        return Outcome("failed", error=str(error))
    except Exception as error:
        traceback.print_exc()
        return Outcome("failed", error=f"{type(error).__name__}: {error}")


def train(trial: Trial) -> Outcome | None:
    """Train or go on training; None if it was interrupted, with a checkpoint."""
    trial.numerics.apply()
    keep_freed_memory()
    own = {**trial.settings, "seed": trial.seed}
    is_resumed = bool(list_states(trial.run_dir / "checkpoints"))
    if is_resumed:
        config = load_run_config(trial.run_dir, {})
    else:
        clear(trial.run_dir)
        config = load_config(trial.study_dir / "base.yaml", own)
    # Weights & Biases draws the runs of a group, here the seeds of a configuration, as one curve.
    os.environ["WANDB_RUN_GROUP"] = f"{trial.study_dir.name}_{trial.number:04d}"
    with make_trainer(config, trial.run_dir, show_progress=False) as trainer:
        if is_resumed:
            resume(trainer, trial.run_dir)
        write_config(trial.run_dir, config.values)
        watch = trial.rungs and RungWatch(
            trial.rungs, trainer, trial.study_dir / "rungs", trial.name
        )
        trainer.train()
        if not trainer.is_finished() and not (watch and watch.has_stopped):
            return None
        outcome = outcome_of(trainer, trial)
    write_hparams(trial.run_dir, own, outcome.score, outcome.steps)
    return outcome


def outcome_of(trainer: Trainer, trial: Trial) -> Outcome:
    """What a trainer that has finished, or was stopped early, has reached."""
    eval_return = trainer.last_evaluation.get("eval/return_mean")
    return Outcome(
        status="finished" if trainer.is_finished() else "stopped_early",
        score=eval_return if trial.score == "evaluation" else last_return(trainer, trial),
        eval_return=eval_return,
        steps=trainer.step,
        seconds=trainer.clock.seconds(),
    )


def last_return(trainer: Trainer, trial: Trial) -> float | None:
    """Mean return of the last training episodes; None before the first one ends."""
    mean = trainer.metrics.mean_return(trial.score_episodes)
    return None if mean != mean else mean


@contextlib.contextmanager
def output_to(path: Path) -> Iterator[None]:
    """Append to a file what would be printed, also by libraries in C."""
    with path.open("a", encoding="utf-8") as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
        yield
        sys.stdout.flush()
        sys.stderr.flush()


@contextlib.contextmanager
def only_process(run_dir: Path) -> Iterator[None]:
    """Wait until no other process holds this directory, then hold it."""
    run_dir.mkdir(parents=True, exist_ok=True)
    with (run_dir / LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # ends with the process, however that ends
        yield


def clear(run_dir: Path) -> None:
    """Remove what a run without a checkpoint has left."""
    for path in run_dir.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in (LOCK, OUTPUT):
            path.unlink()


def stop_with_parent() -> None:
    """Once the parent process is gone, end like at SIGTERM: with a checkpoint."""
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()


def _follow(sentinel: int) -> None:
    wait([sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
