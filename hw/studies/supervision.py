"""Runs one trial in a fresh process, and starts it again if that process is killed.

Every backend runs its trials through this, so that a trial's numbers do not depend on which.
"""

import contextlib
import multiprocessing
import sys
import threading
from collections.abc import Iterator
from multiprocessing.process import BaseProcess

from hw.studies.trial import Outcome, Trial, read_outcome, write_outcome

MAX_STARTS = 3
# Trials fork from a server that has imported PyTorch and us, and done nothing else.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["hw.studies.training"])
_starting = threading.Lock()


class Supervisor:
    """Runs trials, each in a process; `stop` ends those that run, with a checkpoint."""

    def __init__(self):
        self.processes: set[BaseProcess] = set()
        self.is_stopping = threading.Event()

    def run(self, trial: Trial) -> None:
        """Return once the trial has an outcome, or has been stopped."""
        exit_code = None
        for _ in range(MAX_STARTS):
            if self.is_stopping.is_set() or read_outcome(trial) is not None:
                return
            exit_code = self._run_once(trial)
        if read_outcome(trial) is None and not self.is_stopping.is_set():
            error = f"its process ended {MAX_STARTS} times, the last time with {exit_code}"
            write_outcome(trial, Outcome("failed", error=error))

    def stop(self) -> None:
        """Ask the trials that run for an end, and start no more."""
        self.is_stopping.set()
        with _starting:
            for process in self.processes:
                process.terminate()

    def _run_once(self, trial: Trial) -> int | None:
        """Start a process and wait for its end; returns its exit code."""
        process = _CONTEXT.Process(target=begin, args=(trial,))
        with _starting:
            if self.is_stopping.is_set():
                return None
            with _without_main():
                process.start()
            self.processes.add(process)
        try:
            process.join()
        except BaseException:  # Ray cancels a task by an exception
            process.terminate()
            process.join()
            raise
        with _starting:
            self.processes.discard(process)
        return process.exitcode


def begin(trial: Trial) -> None:
    """What a new process does; PyTorch is imported there, not by who starts it."""
    from hw.studies.training import run_trial

    run_trial(trial)


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Hide the program's own file, which a new process would import first for no use."""
    main = sys.modules["__main__"]
    hidden = {name: getattr(main, name, None) for name in ("__file__", "__spec__")}
    for name in hidden:
        setattr(main, name, None)
    try:
        yield
    finally:
        for name, value in hidden.items():
            setattr(main, name, value)
