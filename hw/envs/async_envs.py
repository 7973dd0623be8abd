"""Environments that each run in a process of their own."""

import multiprocessing.connection
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode
from gymnasium.vector.async_vector_env import AsyncState, _async_worker

from hw.infrastructure.errors import EnvError

SECONDS_TO_CLOSE = 5.0


class AsyncEnvs(AsyncVectorEnv):
    """Environments in processes of their own, that never reset by themselves.

    Args:
        env_fns: each makes one environment.
        env_name: for messages.
    """

    def __init__(self, env_fns: Sequence[Callable[[], gym.Env]], env_name: str):
        self.env_name = env_name
        super().__init__(env_fns, worker=_work, autoreset_mode=AutoresetMode.DISABLED)

    def reset(
        self,
        *,
        seed: int | list[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Begin episodes.

        Raises:
            EnvError: an environment failed, or its process ended.
        """
        with self._dead_workers_named():
            return super().reset(seed=seed, options=options)

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Act once in every environment.

        Raises:
            EnvError: an environment failed, or its process ended.
        """
        with self._dead_workers_named():
            return super().step(actions)

    def render(self) -> tuple[Any, ...]:
        """A frame of each environment."""
        with self._dead_workers_named():
            return super().render()

    def close_extras(self, timeout: float | None = None, terminate: bool = False) -> None:
        """End every process: ask, wait for `timeout` seconds in all, then insist."""
        wait = SECONDS_TO_CLOSE if timeout is None else timeout
        deadline = time.monotonic() + (0.0 if terminate else wait)
        pipes = [pipe for pipe in self.parent_pipes if pipe is not None]
        for pipe in pipes:
            with suppress(OSError):
                pipe.send(("close", None))
        for pipe in pipes:
            # Results that nobody has fetched come before the answer, which is None.
            with suppress(OSError, EOFError):
                while pipe.poll(_left(deadline)) and pipe.recv()[0] is not None:
                    pass
            pipe.close()
        for process in self.processes:
            for insist in (lambda: None, process.terminate, process.kill):
                insist()
                process.join(max(_left(deadline), 0.5))
                if not process.is_alive():
                    break

    def _check_spaces(self) -> None:
        with self._dead_workers_named():
            super()._check_spaces()

    def _raise_if_errors(self, successes: Sequence[bool]) -> None:
        """Raise the first environment's error; Gymnasium's also warns, at length."""
        failures = [self.error_queue.get() for success in successes if not success]
        for index, *_ in failures:
            self.parent_pipes[index].close()
            self.parent_pipes[index] = None
        if failures:
            self._state = AsyncState.DEFAULT
            _, _, error, _ = min(failures, key=lambda failure: failure[0])
            raise error

    @contextmanager
    def _dead_workers_named(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, ConnectionError) as error:
            raise EnvError(self._describe_death()) from error

    def _describe_death(self) -> str:
        asked = [i for i, pipe in enumerate(self.parent_pipes) if pipe is not None]
        sentinels = {self.processes[i].sentinel: i for i in asked}
        ended = multiprocessing.connection.wait(sentinels, timeout=SECONDS_TO_CLOSE)
        if not ended:
            return f"{self.env_name}: the process of an environment does not answer"
        index = min(sentinels[sentinel] for sentinel in ended)
        self.processes[index].join()
        exitcode = self.processes[index].exitcode
        how = (
            f"was killed by {signal.Signals(-exitcode).name}"
            if exitcode < 0
            else f"ended with exit code {exitcode}"
        )
        return f"{self.env_name}, environment {index}: its process {how}"


def _work(
    index: int,
    env_fn: Callable[[], gym.Env],
    pipe: multiprocessing.connection.Connection,
    parent_pipe: multiprocessing.connection.Connection,
    shared_memory: Any,
    error_queue: Any,
    autoreset_mode: AutoresetMode,
    semaphore: Any,
) -> None:
    """Gymnasium's worker, deaf to Ctrl-C: the main process ends it when its own work is saved."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with suppress(EOFError, ConnectionError):  # the main process is gone
        _async_worker(
            index,
            env_fn,
            pipe,
            parent_pipe,
            shared_memory,
            error_queue,
            autoreset_mode,
            semaphore,
        )


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.0)
