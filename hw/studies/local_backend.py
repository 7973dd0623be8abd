"""Trials on this machine: a thread for each that runs, which waits for its process."""

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from hw.studies.supervision import Supervisor
from hw.studies.trial import Trial


class LocalBackend:
    """Runs trials here.

    Args:
        num_slots: trials at a time.
    """

    def __init__(self, num_slots: int):
        self.num_slots = num_slots
        self.supervisor = Supervisor()
        self.threads = ThreadPoolExecutor(num_slots)

    def submit(self, trial: Trial) -> Future:
        """Start a trial."""
        return self.threads.submit(self.supervisor.run, trial)

    def wait(self, tasks: list[Future], timeout: float) -> list[Future]:
        """Those that have ended, within so many seconds."""
        return list(wait(tasks, timeout, return_when=FIRST_COMPLETED).done)

    def error(self, task: Future) -> str:
        """What kept a trial that has ended from having an outcome; empty if nothing did."""
        return str(task.exception() or "")

    def close(self) -> None:
        """End the trials that run, each with a checkpoint."""
        self.supervisor.stop()
        self.threads.shutdown()
