"""Joins the pieces that a configuration names into a trainer."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from gymnasium.vector import VectorEnv

import hw.infrastructure.pytorch_util as ptu
from hw.agents.base_agent import BaseAgent
from hw.env_configs.loading import CHANGEABLE_IN_A_RUN, RunConfig, read_yaml
from hw.env_configs.run_settings import UPDATES_WORTH_COMPILING
from hw.infrastructure.checkpoint import (
    CheckpointDirectory,
    list_states,
    load_latest_state,
    load_state,
    read_about,
    step_of,
)
from hw.infrastructure.env_runner import find_normalizer, load_wrapper_states
from hw.infrastructure.errors import UserError
from hw.infrastructure.evaluation import Evaluator
from hw.infrastructure.logger import Logger
from hw.infrastructure.memory import check_memory
from hw.infrastructure.replay_buffer import ReplayBuffer
from hw.infrastructure.run_dir import config_path, numeric_versions
from hw.infrastructure.trainer import Buffer, Trainer, TrainerSettings


def make_trainer(config: RunConfig, run_dir: Path, show_progress: bool = True) -> Trainer:
    """A trainer that has not begun, writing to run_dir.

    Seeds torch, so that what follows depends on the run's seed alone.

    Raises:
        ConfigError: the environment does not exist or does not suit the algorithm.
    """
    recipe, settings = config.recipe, config.settings
    seeds = ptu.split_seed(settings.seed)
    ptu.seed_torch(seeds.torch)
    envs = recipe.envs.make_training_envs(recipe.num_envs)
    agent = make_agent(config, envs)
    agent.compiler.is_enabled = is_worth_compiling(config)
    return Trainer(
        agent=agent,
        envs=envs,
        buffer=make_buffer(config, envs, seeds.buffer),
        evaluator=Evaluator(
            recipe.envs.make_evaluation_envs,
            settings.num_eval_trajectories,
            settings.num_render_trajectories,
            settings.eval_deterministic,
            seeds.evaluation,
        ),
        logger=Logger(run_dir, config.values, settings.use_wandb, settings.log_every_step),
        checkpoints=CheckpointDirectory(
            run_dir,
            settings.checkpoint_interval,
            settings.snapshot_interval,
            about={"settings": fixed_settings(config), "versions": numeric_versions()},
        ),
        settings=TrainerSettings(
            total_steps=recipe.total_steps,
            total_episodes=recipe.total_episodes,
            random_steps=recipe.random_steps,
            training_starts=recipe.training_starts,
            updates_per_step=recipe.updates_per_step,
            batch_size=recipe.batch_size,
            importance_schedule=recipe.importance_schedule,
            eval_interval=settings.eval_interval,
            log_interval=settings.log_interval,
            log_every_step=settings.log_every_step,
        ),
        seeds=seeds,
        show_progress=show_progress,
    )


def make_buffer(config: RunConfig, envs: VectorEnv, seed: int) -> Buffer:
    """The recipe's buffer. Where a GPU learns from replay, it keeps a copy of the transitions.

    Not where observations are normalised as they are sampled, which is done here.

    Raises:
        UserError: it would take more memory than there is.
    """
    buffer = config.recipe.make_buffer(seed)
    if isinstance(buffer, ReplayBuffer):
        observations, actions = envs.single_observation_space, envs.single_action_space
        check_memory(
            buffer.num_bytes(observations.shape, observations.dtype, actions.shape, actions.dtype)
        )
    if ptu.device.type != "cpu" and isinstance(buffer, ReplayBuffer) and not find_normalizer(envs):
        buffer.mirror_on_device()
    return buffer


def make_agent(config: RunConfig, envs: VectorEnv) -> BaseAgent:
    """The recipe's agent, untrained, multiplying in the precision that `products` says."""
    ptu.set_products(config.settings.products)
    return config.recipe.make_agent(envs)


def is_worth_compiling(config: RunConfig) -> bool:
    """What `compile` says, or whether the run is long enough for it."""
    choice = config.settings.compile
    if choice == "auto":
        return config.recipe.num_gradient_steps >= UPDATES_WORTH_COMPILING
    return choice


def how_it_computes(config: RunConfig) -> str:
    """Compiled or not, threads, precision and device, in a line."""
    if is_worth_compiling(config):
        compiled = "compiled, which makes the first updates take ten to thirty seconds"
    else:
        is_automatic = config.settings.compile == "auto"
        compiled = "not compiled" + (" (compile: auto)" if is_automatic else "")
    num_threads = torch.get_num_threads()
    threads = f"{num_threads} thread{'s' if num_threads > 1 else ''}"
    return f"{threads}, products in {config.settings.products}, on {ptu.device}; {compiled}"


def load_snapshot(path: Path, agent: BaseAgent, envs: VectorEnv) -> None:
    """Give the agent a snapshot's weights, and the environments' wrappers its statistics.

    Raises:
        UserError: it is missing or damaged, or of another run.
    """
    state = load_state(path)
    try:
        agent.load_weights(state["weights"])
        load_wrapper_states(envs, state["wrappers"])
    except (RuntimeError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: does not fit the run's config.yaml") from error


def resume(trainer: Trainer, run_dir: Path, check_versions: bool = True) -> None:
    """Put a fresh trainer where the run's newest readable checkpoint left off.

    A run that was stopped before its first checkpoint begins anew.

    Args:
        trainer: of the run's configuration.
        run_dir: the run's directory.
        check_versions: refuse a checkpoint of other versions of the packages that compute.

    Raises:
        UserError: no checkpoint can be read, or it is of another configuration or version.
    """
    if not list_states(run_dir / "checkpoints"):
        begin_anew(trainer, run_dir)
        return
    path, state = load_latest_state(run_dir / "checkpoints")
    check_origin(path, read_about(path), trainer.checkpoints.about, check_versions)
    try:
        trainer.load_state_dict(state)
    except (KeyError, ValueError, TypeError, RuntimeError, AssertionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: does not fit this run's config.yaml ({reason})") from error
    trainer.checkpoints.put_aside_after(step_of(path))


def begin_anew(trainer: Trainer, run_dir: Path) -> None:
    """Start a run again that left nothing but rows, with the kernel that it chose at first."""
    sessions = read_yaml(config_path(run_dir)).get("provenance") or [{}]
    precision = sessions[0].get("cpu_matmul_precision")
    if precision is not None:
        torch.backends.mkldnn.matmul.fp32_precision = precision
    trainer.logger.begin_anew()


def fixed_settings(config: RunConfig) -> dict[str, Any]:
    """The settings that make the run what it is, in terms of JSON."""
    fixed = {k: v for k, v in config.values.items() if k not in CHANGEABLE_IN_A_RUN}
    return json.loads(json.dumps(fixed, default=str))


def check_origin(
    path: Path, saved: Mapping[str, Any], current: Mapping[str, Any], check_versions: bool = True
) -> None:
    """Refuse a checkpoint of another configuration, or of other versions.

    Args:
        path: of the checkpoint.
        saved, current: what it says about itself, and what it would say today.

    Raises:
        UserError: with each difference.
    """
    if "settings" not in saved:
        raise UserError(f"{path}: was written by another version of this program")
    if settings := differences(saved["settings"], current["settings"]):
        raise UserError(f"{path}: does not fit this run's config.yaml: {settings}")
    versions = differences(saved["versions"], current["versions"])
    if versions and check_versions:
        raise UserError(
            f"{path}: was written with other versions: {versions}; install those, or pass "
            "--other_versions to go on, though not to the same numbers"
        )


def differences(saved: Mapping[str, Any], current: Mapping[str, Any]) -> str:
    """What two mappings say differently, in words."""
    keys = [key for key in {**saved, **current} if saved.get(key) != current.get(key)]
    return ", ".join(f"{key} was {saved.get(key)!r} and is {current.get(key)!r}" for key in keys)
