"""Trials on a Ray cluster: a task for each, which Ray starts elsewhere if its node is lost."""

import logging
import os
from typing import Any

from hw.infrastructure.errors import MissingExtraError, UserError
from hw.studies.supervision import Supervisor
from hw.studies.trial import Trial

MAX_LOST_NODES = 10  # of one trial


class RayBackend:
    """Runs trials on a cluster, or on a Ray of this machine's own.

    Every node needs this package, and sees the study's directory under the same path.

    Args:
        address: of the cluster; None starts Ray here.
        num_slots: trials at a time; None takes as many as the cluster has cores for.
        num_threads: cores of each trial.
        num_gpus: GPUs of each trial, also parts of one.
    """

    def __init__(
        self, address: str | None, num_slots: int | None, num_threads: int, num_gpus: float
    ):
        self.ray = _import_ray()
        self.is_ours = not self.ray.is_initialized()
        if self.is_ours:
            # Trials are what this machine is for; Ray would run them at the lowest priority.
            os.environ.setdefault("RAY_worker_niceness", "0")
            options = {} if address else {"num_cpus": num_slots and num_slots * num_threads}
            try:
                self.ray.init(
                    address=address or "local",
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    include_dashboard=False if not address else None,
                    **options,
                )
            except (ConnectionError, ValueError) as error:
                raise UserError(f"--address {address}: {error}") from error
        self.given_slots, self.num_threads = num_slots, num_threads
        run = self.ray.remote(run_on_node)
        self.run = run.options(num_cpus=num_threads, num_gpus=num_gpus, max_retries=MAX_LOST_NODES)

    @property
    def num_slots(self) -> int:
        """Trials at a time, as the cluster stands now."""
        cores = self.ray.cluster_resources().get("CPU", 1)
        return self.given_slots or max(1, int(cores) // self.num_threads)

    def submit(self, trial: Trial) -> Any:
        """Start a trial."""
        return self.run.remote(trial)

    def wait(self, tasks: list[Any], timeout: float) -> list[Any]:
        """Those that have ended, within so many seconds."""
        return self.ray.wait(tasks, num_returns=1, timeout=timeout)[0]

    def error(self, task: Any) -> str:
        """What kept a trial that has ended from having an outcome; empty if nothing did."""
        try:
            self.ray.get(task)
        except self.ray.exceptions.RayError as error:
            return " ".join(str(error).split())[:200]
        return ""

    def close(self) -> None:
        """End the trials that run: each sees that its parent is gone, and saves a checkpoint."""
        if self.is_ours:
            self.ray.shutdown()


def run_on_node(trial: Trial) -> None:
    """Run a trial on the node that Ray has chosen."""
    Supervisor().run(trial)


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("--backend ray", "ray") from error
    return ray
