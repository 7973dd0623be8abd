"""EnvPool's environments, stepped by threads of C++ (Weng et al. 2022, arXiv 2206.10558)."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box, Discrete, Space
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from hw.envs.creation_errors import missing_package, nearest
from hw.envs.wrapper_registry import WrapperSpec
from hw.infrastructure.errors import ConfigError

# Settings of the pool; an environment's own come after them.
POOL_SETTINGS = {
    "num_envs",
    "batch_size",
    "num_threads",
    "max_num_players",
    "thread_affinity_offset",
    "base_path",
    "seed",
    "env_seed",
    "gym_reset_return_info",
    "reward_threshold",
    "max_episode_steps",
}
LARGEST_SEED = 2**31 - 2


class EnvPoolEnvs(VectorEnv):
    """EnvPool's version of N environments, which never reset by themselves here.

    EnvPool resets an ended environment at its next step, whose action is lost. Here such a step is
    refused until the environment has been reset.

    They are not to the last bit what Gymnasium calls by the same name:

    - Seeds count once. Those of the first `reset` are the N generators', which go on from there. So
      a run gives the same numbers again, but an episode cannot be rebuilt from its seed, and a run
      cannot be resumed (`metadata["is_restorable"]`).
    - The physics is a copy of its own: another MuJoCo, other rounding, other beginnings of the
      episodes from the same seed; Pendulum turns before its speed is cut to 8. Rewards are float32.
    - What terminates in the very step in which the time is up is truncated only.
    - Atari: an episode's first stack repeats its first image; before it there is no black.

    Args:
        envpool: the package.
        name: EnvPool's.
        num_envs: N.
        settings: of the environment, by EnvPool's names.
        observation_space, action_space: of one environment, Gymnasium's.
    """

    def __init__(
        self,
        envpool: ModuleType,
        name: str,
        num_envs: int,
        settings: Mapping[str, Any],
        observation_space: Space,
        action_space: Space,
    ):
        self.metadata = {"autoreset_mode": AutoresetMode.DISABLED, "is_restorable": False}
        self.envpool = envpool
        self.name = name
        self.num_envs = num_envs
        self.settings = dict(settings)
        self.single_observation_space = observation_space
        self.observation_space = batch_space(observation_space, num_envs)
        self.single_action_space = action_space
        self.action_space = batch_space(action_space, num_envs)
        self.pool: Any = None
        self.ended = np.ones(num_envs, np.bool_)
        self.observations = np.zeros((num_envs, *observation_space.shape), observation_space.dtype)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin episodes.

        Args:
            seed: one for each environment; s means s, s + 1, ...; heeded in the first call only.
            options: "reset_mask" (N,) names the environments to reset.

        Returns:
            all N observations, and no infos.
        """
        mask = (options or {}).get("reset_mask", np.ones(self.num_envs, np.bool_))
        if mask.shape != (self.num_envs,) or mask.dtype != np.bool_ or not mask.any():
            raise ValueError(f"reset_mask must be {self.num_envs} booleans, not {mask!r}")
        if self.pool is None:
            self.pool = self._make_pool(self._seeds(seed))
        first, infos = self.pool.reset(np.flatnonzero(mask).astype(np.int32))
        observations = self.observations.copy()
        observations[infos["env_id"]] = first
        self.observations = observations
        self.ended = self.ended & ~mask
        return observations, {}

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Act once in every environment; the infos are EnvPool's.

        Raises:
            ResetNeeded: an episode has ended and its environment was not reset.
        """
        if np.count_nonzero(self.ended):
            raise ResetNeeded(f"reset environments {np.flatnonzero(self.ended).tolist()} first")
        observations, rewards, dones, truncateds, infos = self.pool.step(actions)
        self.observations = observations.astype(self.single_observation_space.dtype, copy=False)
        self.ended = dones | truncateds
        return self.observations, rewards.astype(np.float64), dones, truncateds, infos

    def close_extras(self, timeout: float | None = None, terminate: bool = False) -> None:
        """End the threads."""
        if self.pool is not None:
            self.pool.close()
            self.pool = None

    def _make_pool(self, seeds: list[int]) -> Any:
        pool = self.envpool.make_gymnasium(
            self.name, num_envs=self.num_envs, seed=seeds, **self.settings
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of bounds whose precision is lowered
            _ = pool.observation_space  # EnvPool makes it at the first use
        return pool

    def _seeds(self, seed: int | Sequence[int | None] | None) -> list[int]:
        if isinstance(seed, int):
            seed = [seed + i for i in range(self.num_envs)]
        seeds = [None] * self.num_envs if seed is None else list(seed)
        if len(seeds) != self.num_envs:
            raise ValueError(f"{len(seeds)} seeds for {self.num_envs} environments")
        generator = np.random.default_rng()
        return [
            int(generator.integers(LARGEST_SEED) if one is None else one % LARGEST_SEED)
            for one in seeds
        ]


def make_envpool_envs(
    env_name: str,
    num_envs: int,
    *,
    make_one: Callable[[], gym.Env],
    env_kwargs: Mapping[str, Any],
    atari: WrapperSpec | None,
) -> EnvPoolEnvs:
    """N of EnvPool's environments.

    Args:
        env_name: Gymnasium's name.
        num_envs: N.
        make_one: Gymnasium's environment with all wrappers of a single one, as evaluation uses it:
            its spaces and its time limit are to be EnvPool's too.
        env_kwargs: of the environment's constructor.
        atari: the wrapper `Atari`, where it is listed.

    Raises:
        ConfigError: EnvPool is not installed or has no such environment; it does not know an
            argument; or its spaces are others.
    """
    try:
        import envpool
    except ImportError as error:
        raise _refusal(missing_package(error)) from error
    name = env_name.removeprefix("ALE/")
    if name not in envpool.list_all_envs():
        raise _refusal(f"there is no {env_name} in EnvPool; use sync, async or native")
    if (name != env_name) != (atari is not None):
        raise _refusal("the wrapper atari goes with games, ALE/..., and they only with it")
    reference = make_one()
    try:
        settings = _settings(reference, env_kwargs, atari)
        _check_settings(envpool, name, settings, env_kwargs)
        _check_spaces(envpool, name, settings, reference)
        return EnvPoolEnvs(
            envpool,
            name,
            num_envs,
            settings,
            reference.observation_space,
            reference.unwrapped.action_space,
        )
    finally:
        reference.close()


def _settings(
    reference: gym.Env, env_kwargs: Mapping[str, Any], atari: WrapperSpec | None
) -> dict[str, Any]:
    """What EnvPool is to be told, by its names."""
    if atari is None:
        limit = reference.spec.max_episode_steps
        return {**env_kwargs, **({} if limit is None else {"max_episode_steps": limit})}
    frame_skip, screen_size = atari.argument("frame_skip"), atari.argument("screen_size")
    if atari.argument("noop_max") < 1:
        raise _refusal("it needs a noop_max of at least 1")
    return {
        **{key: value for key, value in env_kwargs.items() if key != "frameskip"},
        "max_episode_steps": reference.spec.kwargs["max_num_frames_per_episode"] // frame_skip,
        "stack_num": atari.argument("num_frames"),
        "frame_skip": frame_skip,
        "noop_max": atari.argument("noop_max"),
        "img_height": screen_size,
        "img_width": screen_size,
        "use_fire_reset": atari.argument("fire_reset"),
        "episodic_life": atari.argument("episodic_life"),
        "reward_clip": False,
    }


def _check_settings(
    envpool: ModuleType, name: str, settings: Mapping[str, Any], env_kwargs: Mapping[str, Any]
) -> None:
    known = set(envpool.make_spec(name).config._fields) - POOL_SETTINGS
    for key in env_kwargs:
        if key in settings and key not in known:
            message = f"EnvPool's {name} knows no {key!r}{nearest(key, known)}"
            raise ConfigError(message, key="env_kwargs")


def _check_spaces(
    envpool: ModuleType, name: str, settings: Mapping[str, Any], reference: gym.Env
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of bounds whose precision is lowered
        try:
            spec = envpool.make_spec(name, **settings)
        except Exception as error:  # EnvPool may refuse a value in any way
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            message = f"EnvPool's {name} refuses {dict(settings)}: {reason}"
            raise ConfigError(message, key="env_kwargs") from error
        theirs = (spec.gymnasium_observation_space, spec.gymnasium_action_space)
    ours = (reference.observation_space, reference.unwrapped.action_space)
    for one, other in zip(ours, theirs, strict=True):
        if not _are_alike(one, other):
            raise _refusal(f"EnvPool's {name} has the space {other}, Gymnasium's {one}; use sync")


def _are_alike(space: Space, other: Space) -> bool:
    if isinstance(space, Discrete):
        return isinstance(other, Discrete) and (space.n, space.start) == (other.n, other.start)
    # Actions are cast, and bounds of observations are written down in various ways.
    return isinstance(space, Box) and isinstance(other, Box) and space.shape == other.shape


def _refusal(why: str) -> ConfigError:
    return ConfigError(f"envpool: {why}", key="vectorization")
