"""N environments as one, none of which resets by itself.

sync steps one after the other, async each in a process of its own, native all in one operation.
"""

import multiprocessing.connection
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Literal

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.vector.async_vector_env import AsyncState, _async_worker
from gymnasium.wrappers.vector import RescaleAction, TransformAction

from hw.envs.creation_errors import env_creation_error
from hw.envs.env_guard import EnvGuard
from hw.envs.native_cartpole import NativeCartPole
from hw.infrastructure.errors import ConfigError, EnvError

Vectorization = Literal["sync", "async", "native"]

NATIVE: dict[str, Callable[..., VectorEnv]] = {
    "CartPole-v0": NativeCartPole,
    "CartPole-v1": NativeCartPole,
}
SECONDS_TO_CLOSE = 5.0


def make_sync(make_one: Callable[[], gym.Env], num_envs: int, *, env_name: str) -> VectorEnv:
    """N environments, stepped one after the other."""
    return SyncVectorEnv(
        _guarded(make_one, num_envs, env_name), autoreset_mode=AutoresetMode.DISABLED
    )


def make_async(make_one: Callable[[], gym.Env], num_envs: int, *, env_name: str) -> VectorEnv:
    """N environments, each in a process of its own; worth it where a step takes long."""
    return AsyncEnvs(_guarded(make_one, num_envs, env_name), env_name)


def make_native(
    env_name: str,
    num_envs: int,
    *,
    env_kwargs: Mapping[str, Any],
    max_episode_steps: int | None,
    clip_actions: bool,
) -> VectorEnv:
    """N environments that their author vectorized.

    Raises:
        ConfigError: there are none, or they cannot be kept from resetting by themselves.
    """
    arguments = dict(env_kwargs)
    if max_episode_steps is not None:
        arguments["max_episode_steps"] = max_episode_steps
    if env_name in NATIVE:
        arguments.setdefault("max_episode_steps", gym.spec(env_name).max_episode_steps)
        try:
            return NATIVE[env_name](num_envs, **arguments)
        except TypeError as error:
            raise env_creation_error(env_name, error, env_kwargs) from error
    envs = _make_gymnasium_native(env_name, num_envs, arguments)
    mode = envs.metadata.get("autoreset_mode")
    if mode is not AutoresetMode.DISABLED:
        envs.close()
        raise _no_native(env_name, f"resets by itself (autoreset mode {mode})")
    return _adapt_actions(envs, clip_actions)


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
        sentinels = [process.sentinel for process in self.processes]
        multiprocessing.connection.wait(sentinels, timeout=SECONDS_TO_CLOSE)
        for index, process in enumerate(self.processes):
            if process.exitcode is not None and self.parent_pipes[index] is not None:
                how = (
                    f"was killed by {signal.Signals(-process.exitcode).name}"
                    if process.exitcode < 0
                    else f"ended with exit code {process.exitcode}"
                )
                return f"{self.env_name}, environment {index}: its process {how}"
        return f"{self.env_name}: the process of an environment does not answer"


def _guarded(
    make_one: Callable[[], gym.Env], num_envs: int, env_name: str
) -> list[Callable[[], gym.Env]]:
    return [partial(_make_guarded, make_one, env_name, index) for index in range(num_envs)]


def _make_guarded(make_one: Callable[[], gym.Env], env_name: str, index: int) -> EnvGuard:
    return EnvGuard(make_one(), env_name=env_name, index=index)


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


def _make_gymnasium_native(env_name: str, num_envs: int, arguments: dict[str, Any]) -> VectorEnv:
    make = partial(
        gym.make_vec, env_name, num_envs, vectorization_mode="vector_entry_point", **arguments
    )
    try:
        try:
            return make(autoreset_mode=AutoresetMode.DISABLED)
        except TypeError as error:
            if "autoreset_mode" not in str(error):
                raise
            return make()
    except Exception as error:  # an environment's own code may fail in any way
        if "vector entry point" in str(error):
            raise _no_native(env_name, "is not vectorized by its author") from error
        raise env_creation_error(env_name, error, arguments) from error


def _no_native(env_name: str, why: str) -> ConfigError:
    return ConfigError(f"native: {env_name} {why}; use sync or async", key="vectorization")


def _adapt_actions(envs: VectorEnv, clip_actions: bool) -> VectorEnv:
    """Actions in [-1, 1], as `make_env` does it for one environment."""
    space = envs.single_action_space
    if isinstance(space, Box) and space.is_bounded():
        if not (np.all(space.low == -1.0) and np.all(space.high == 1.0)):
            envs = RescaleAction(envs, np.float32(-1.0), np.float32(1.0))
        if clip_actions:
            envs = TransformAction(envs, lambda actions: np.clip(actions, -1.0, 1.0))
    return envs
