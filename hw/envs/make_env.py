"""Environments by name, ready for an agent: known spaces, actions in [-1, 1], no autoreset."""

import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import VectorActionWrapper, VectorEnv, VectorRewardWrapper
from gymnasium.wrappers import RescaleAction, TimeLimit, TransformAction

from hw.envs.atari import Atari, prepare_atari
from hw.envs.creation_errors import env_creation_error
from hw.envs.mujoco_setup import prepare_mujoco
from hw.envs.normalization import NormalizeObservation, NormalizeReward
from hw.envs.vectorization import (
    Vectorization,
    make_async,
    make_envpool,
    make_native,
    make_native_atari,
    make_sync,
)
from hw.envs.wrapper_registry import SKIPPING, WrapperList, WrapperSpec, resolve_wrappers
from hw.envs.wrappers import FrameStack, RewardWrapper
from hw.infrastructure.errors import ConfigError

NO_LIMIT = -1  # for `gym.make`, which otherwise takes the registered one
# Arguments of `gym.make` that have a place of their own here.
RESERVED = ("id", "max_episode_steps", "disable_env_checker", "render_mode", "num_envs")


def make_env(
    env_name: str,
    *,
    env_kwargs: Mapping[str, Any] | None = None,
    max_episode_steps: int | None = None,
    wrappers: WrapperList = (),
    clip_actions: bool = False,
    render_mode: str | None = None,
) -> gym.Env:
    """One environment.

    Continuous actions are accepted in [-1, 1] and rescaled to the bounds of the environment as it
    is wrapped; unbounded or discrete action spaces are left alone.

    Args:
        env_name: a Gymnasium id, or `module:Id` for one that a module registers.
        env_kwargs: of the environment's constructor.
        max_episode_steps: time limit, after which a step is truncated; None keeps the registered
            one.
        wrappers: of single environments, see `resolve_wrappers`; the first is the innermost.
        clip_actions: first clip actions to the bounds, for a policy that does not keep to them.
        render_mode: "rgb_array" for frames, "human" for a window.

    Raises:
        ConfigError: there is no such environment or wrapper, or a package it needs is missing.
    """
    specs, of_vector = resolve_wrappers(wrappers)
    if of_vector:
        raise ConfigError(
            f"{of_vector[0].name}: wraps several environments together; use EnvFactory",
            key="wrappers",
        )
    return _make_wrapped(
        env_name, env_kwargs or {}, max_episode_steps, specs, clip_actions, render_mode
    )


@dataclass(frozen=True)
class EnvFactory:
    """Makes the environments of a run: N at once, which never reset by themselves.

    `reset(seed=[...], options={"reset_mask": mask})` begins an episode in those that the mask
    names, each from a seed of its own, and returns the observations of all N.

    Args:
        env_name, env_kwargs, max_episode_steps, clip_actions: see `make_env`.
        wrappers: see `resolve_wrappers`; those of single environments come first.
        vectorization: of the training environments; evaluation's are always sync.

    Raises:
        ConfigError: a wrapper is wrong, or does not go with the vectorization.
    """

    env_name: str
    env_kwargs: Mapping[str, Any] = field(default_factory=dict)
    max_episode_steps: int | None = None
    wrappers: Sequence[str | Mapping[str, Mapping[str, Any]]] = ()
    vectorization: Vectorization = "sync"
    clip_actions: bool = False

    def __post_init__(self):
        choices = typing.get_args(Vectorization)
        if self.vectorization not in choices:
            raise ConfigError(
                f"unknown {self.vectorization!r}; choose from {', '.join(choices)}",
                key="vectorization",
            )
        _check_env_kwargs(self.env_kwargs)
        per_env, _ = resolve_wrappers(self.wrappers)
        if self.vectorization in ("sync", "async"):
            return
        foreign = [spec for spec in per_env if spec.wrapper is not Atari]
        if foreign:
            raise ConfigError(
                f"{self.vectorization} cannot apply {foreign[0].name}, which wraps single "
                "environments; use sync or async",
                key="vectorization",
            )
        if per_env and per_env[0].argument("fire_each_life"):
            raise ConfigError(
                f"{self.vectorization} presses no button by itself; use sync or async for "
                "fire_each_life",
                key="vectorization",
            )
        if per_env and self.max_episode_steps is not None:
            raise ConfigError(
                f"{self.vectorization} keeps to the games' own limit; use sync or async",
                key="max_episode_steps",
            )

    def check_replay(self) -> None:
        """Refuse wrappers whose transitions would not stay true while they wait in a buffer.

        Raises:
            ConfigError: the scale of rewards changes, or something changes observations after
                `normalize_observation`, which a buffer's samples go through once more.
        """
        _, of_vector = resolve_wrappers(self.wrappers)
        is_normalized = False
        for spec in of_vector:
            if issubclass(spec.wrapper, NormalizeReward):
                raise ConfigError(
                    f"{spec.name} changes its scale, which rewards in a replay buffer would not "
                    "follow; use scale_reward",
                    key="wrappers",
                )
            if is_normalized and not issubclass(
                spec.wrapper, RewardWrapper | VectorRewardWrapper | VectorActionWrapper
            ):
                raise ConfigError(
                    f"{spec.name} must come before normalize_observation where there is a replay "
                    "buffer",
                    key="wrappers",
                )
            is_normalized = is_normalized or issubclass(spec.wrapper, NormalizeObservation)

    @property
    def num_stacked_frames(self) -> int:
        """How many successive frames make up an observation."""
        per_env, _ = resolve_wrappers(self.wrappers)
        stacks = [spec for spec in per_env if spec.wrapper in (FrameStack, Atari)]
        return stacks[-1].argument("num_frames") if stacks else 1

    def make_training_envs(self, num_envs: int) -> VectorEnv:
        """N environments with all wrappers.

        Raises:
            ConfigError: see `make_env`; or the environment has no such vectorization.
        """
        per_env, of_vector = resolve_wrappers(self.wrappers)
        env_kwargs = _with_defaults(self.env_kwargs, per_env)
        if self.vectorization == "native" and per_env:
            envs = make_native_atari(
                self.env_name, num_envs, env_kwargs=env_kwargs, arguments=per_env[0].arguments
            )
        elif self.vectorization == "native":
            envs = make_native(
                self.env_name,
                num_envs,
                env_kwargs=env_kwargs,
                max_episode_steps=self.max_episode_steps,
                clip_actions=self.clip_actions,
            )
        elif self.vectorization == "envpool":
            envs = make_envpool(
                self.env_name,
                num_envs,
                make_one=partial(self._make_one, per_env),
                env_kwargs=env_kwargs,
                atari=per_env[0] if per_env else None,
                clip_actions=self.clip_actions,
            )
        else:
            make = {"sync": make_sync, "async": make_async}[self.vectorization]
            envs = make(partial(self._make_one, per_env), num_envs, env_name=self.env_name)
        return _wrap_vector(envs, self.env_name, of_vector)

    def make_evaluation_envs(self, num_envs: int, render_mode: str | None = None) -> VectorEnv:
        """N environments whose rewards are the task's own, and whose statistics stand still.

        What changes rewards is left out, and what is for training only; statistics, where there
        are any, are to be loaded from the training environments.

        Raises:
            ConfigError: see `make_env`.
        """
        per_env, of_vector = (
            [spec.for_evaluation() for spec in specs if not spec.is_for_training_only]
            for specs in resolve_wrappers(self.wrappers)
        )
        make_one = partial(self._make_one, per_env, render_mode)
        envs = make_sync(make_one, num_envs, env_name=self.env_name)
        return _wrap_vector(envs, self.env_name, of_vector, is_frozen=True)

    def _make_one(self, specs: Sequence[WrapperSpec], render_mode: str | None = None) -> gym.Env:
        return _make_wrapped(
            self.env_name,
            self.env_kwargs,
            self.max_episode_steps,
            specs,
            self.clip_actions,
            render_mode,
        )


def _make_wrapped(
    env_name: str,
    env_kwargs: Mapping[str, Any],
    max_episode_steps: int | None,
    specs: Sequence[WrapperSpec],
    clip_actions: bool,
    render_mode: str | None,
) -> gym.Env:
    prepare_mujoco()
    _check_env_kwargs(env_kwargs)
    env_kwargs = _with_defaults(env_kwargs, specs)
    # The limit counts the agent's steps, so it stands outside of what makes several of each; but
    # inside of the rest, which may ask for it, as `time_aware_observation` does.
    num_inside = max((i + 1 for i, spec in enumerate(specs) if spec.wrapper in SKIPPING), default=0)
    is_outside = max_episode_steps is not None and num_inside > 0
    try:
        prepare_atari(env_name)
        env = gym.make(
            env_name,
            max_episode_steps=NO_LIMIT if is_outside else max_episode_steps,
            disable_env_checker=True,
            **env_kwargs,
            **({} if render_mode is None else {"render_mode": render_mode}),
        )
    except Exception as error:  # an environment's own code may fail in any way
        raise env_creation_error(env_name, error, env_kwargs) from error
    for spec in specs[:num_inside]:
        env = spec.apply(env)
    if is_outside:
        env = TimeLimit(env, max_episode_steps)
    for spec in specs[num_inside:]:
        env = spec.apply(env)
    return _adapt_actions(env, clip_actions)


def _adapt_actions(env: gym.Env, clip_actions: bool) -> gym.Env:
    space = env.action_space
    if isinstance(space, Box) and space.is_bounded():
        if not (np.all(space.low == -1.0) and np.all(space.high == 1.0)):
            env = RescaleAction(env, np.float32(-1.0), np.float32(1.0))
        if clip_actions:
            env = TransformAction(env, lambda action: np.clip(action, -1.0, 1.0), env.action_space)
    return env


def _with_defaults(
    env_kwargs: Mapping[str, Any], specs: Sequence[WrapperSpec]
) -> Mapping[str, Any]:
    """The arguments, beside those that a wrapper wants its environment to be made with."""
    defaults: dict[str, Any] = {}
    for spec in specs:
        defaults |= getattr(spec.wrapper, "env_defaults", {})
    return {**defaults, **env_kwargs}


def _check_env_kwargs(env_kwargs: Mapping[str, Any]) -> None:
    for key in env_kwargs:
        if key in RESERVED:
            raise ConfigError(f"{key} does not belong here", key="env_kwargs")


def _wrap_vector(
    envs: VectorEnv, env_name: str, specs: Sequence[WrapperSpec], is_frozen: bool = False
) -> VectorEnv:
    envs.unwrapped.spec = gym.registry.get(env_name.rpartition(":")[2])
    try:
        for spec in specs:
            envs = spec.apply(envs)
            if is_frozen and hasattr(envs, "is_frozen"):
                envs.is_frozen = True
    except ConfigError:
        envs.close()
        raise
    return envs
