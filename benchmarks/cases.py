"""What is compared: equal settings for all libraries."""

from dataclasses import dataclass
from typing import Any

TRAINING_STARTS = 1000


@dataclass(frozen=True)
class Case:
    """One comparison.

    Args:
        title: of its table.
        ours: keys of an experiment.
        theirs: arguments of Stable-Baselines3's class of the same algorithm, and of SBX's.
        multiple: steps are made in multiples of this, a whole rollout.
    """

    title: str
    ours: dict[str, Any]
    theirs: dict[str, Any]
    multiple: int = 1


def _sac(size: int, num_layers: int = 2, batch_size: int | None = None) -> Case:
    batch_size = batch_size or size
    return Case(
        f"SAC HalfCheetah-v5, {num_layers}x{size}, batch {batch_size}",
        {
            "base_config": "sac",
            "env_name": "HalfCheetah-v5",
            "random_steps": TRAINING_STARTS,
            "training_starts": TRAINING_STARTS,
            "batch_size": batch_size,
            "hidden_size": size,
            "num_layers": num_layers,
            "activation": "relu",
            "actor_gradient_type": "reparametrize",
            "num_critic_networks": 2,
            "target_critic_backup_type": "min",
            "use_soft_target_update": True,
            "learn_temperature": True,
        },
        {
            "learning_starts": TRAINING_STARTS,
            "batch_size": batch_size,
            "policy_kwargs": {"net_arch": [size] * num_layers},
        },
    )


def _td3(size: int) -> Case:
    return Case(
        f"TD3 HalfCheetah-v5, 2x{size}, batch {size}",
        {
            "base_config": "td3",
            "env_name": "HalfCheetah-v5",
            "random_steps": TRAINING_STARTS,
            "training_starts": TRAINING_STARTS,
            "batch_size": size,
            "hidden_size": size,
        },
        {
            "learning_starts": TRAINING_STARTS,
            "batch_size": size,
            "policy_kwargs": {"net_arch": [size, size]},
        },
    )


CASES = {
    "sac": _sac(256),
    "sac_small": _sac(128),
    "sac_homework": _sac(128, num_layers=3, batch_size=128),
    "td3": _td3(256),
    "td3_small": _td3(128),
    "dqn": Case(
        "DQN CartPole-v1, 2x128, batch 128, an update a step",
        {
            "base_config": "dqn",
            "env_name": "CartPole-v1",
            "training_starts": TRAINING_STARTS,
            "use_double_q": False,
            "exploration_schedule": [[0, 0.05]],
        },
        {
            "learning_starts": TRAINING_STARTS,
            "batch_size": 128,
            "train_freq": 1,
            "target_update_interval": 1000,
            "exploration_initial_eps": 0.05,
            "exploration_final_eps": 0.05,
            "policy_kwargs": {"net_arch": [128, 128]},
        },
    ),
    "ppo": Case(
        "PPO CartPole-v1, 4 environments, 128 steps, 4 epochs of 4 minibatches, 2x64",
        {
            "base_config": "ppo",
            "env_name": "CartPole-v1",
            "num_envs": 4,
            "rollout_length": 128,
            "batch_size": 128,
            "num_epochs": 4,
        },
        {"n_steps": 128, "batch_size": 128, "n_epochs": 4},
        multiple=512,
    ),
    "ppo_halfcheetah": Case(
        "PPO HalfCheetah-v5, 2048 steps, 10 epochs of 32 minibatches, 2x64",
        {
            "base_config": "ppo",
            "env_name": "HalfCheetah-v5",
            "num_envs": 1,
            "rollout_length": 2048,
            "batch_size": 64,
            "num_epochs": 10,
        },
        {"n_steps": 2048, "batch_size": 64, "n_epochs": 10},
        multiple=2048,
    ),
}
