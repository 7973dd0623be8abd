"""What is compared: equal settings for both libraries."""

from dataclasses import dataclass
from typing import Any

TRAINING_STARTS = 1000


@dataclass(frozen=True)
class Case:
    """One comparison.

    Args:
        title: of its table.
        ours: keys of an experiment.
        theirs: arguments of Stable-Baselines3's class of the same algorithm.
        multiple: steps are made in multiples of this, a whole rollout.
    """

    title: str
    ours: dict[str, Any]
    theirs: dict[str, Any]
    multiple: int = 1


def _sac(size: int) -> Case:
    return Case(
        f"SAC HalfCheetah-v5, 2x{size}, batch {size}",
        {
            "base_config": "sac",
            "env_name": "HalfCheetah-v5",
            "random_steps": TRAINING_STARTS,
            "training_starts": TRAINING_STARTS,
            "batch_size": size,
            "hidden_size": size,
            "num_layers": 2,
            "activation": "relu",
            "actor_gradient_type": "reparametrize",
            "num_critic_networks": 2,
            "target_critic_backup_type": "min",
            "use_soft_target_update": True,
            "learn_temperature": True,
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
    "td3": Case(
        "TD3 HalfCheetah-v5, 2x256, batch 256",
        {
            "base_config": "td3",
            "env_name": "HalfCheetah-v5",
            "random_steps": TRAINING_STARTS,
            "training_starts": TRAINING_STARTS,
        },
        {"learning_starts": TRAINING_STARTS, "policy_kwargs": {"net_arch": [256, 256]}},
    ),
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
}
