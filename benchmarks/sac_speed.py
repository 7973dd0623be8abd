"""Steps per second of soft actor-critic beside Stable-Baselines3's, in one run.

Two processes, one a library, take turns at short chunks of training, so that a machine whose speed
drifts slows both alike. Equal settings: HalfCheetah-v5, one environment, one update a step, two
critics, learned temperature, the same widths and batch; both may use every thread.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ENV_NAME = "HalfCheetah-v5"
WARM_UP_STEPS = 1200
TRAINING_STARTS = 1000
SIZES = ((256, 256), (128, 128))  # (hidden size, batch size)


def our_chunks(hidden_size: int, batch_size: int):
    """Yield a function that trains for so many steps."""
    from hw.env_configs.assemble import make_trainer
    from hw.env_configs.loading import bind
    from hw.infrastructure import pytorch_util as ptu

    ptu.enable_fast_matmul()
    config = bind(
        {
            "base_config": "sac",
            "env_name": ENV_NAME,
            "total_steps": 10**9,
            "training_starts": TRAINING_STARTS,
            "random_steps": TRAINING_STARTS,
            "batch_size": batch_size,
            "hidden_size": hidden_size,
            "num_layers": 2,
            "activation": "relu",
            "actor_gradient_type": "reparametrize",
            "num_critic_networks": 2,
            "target_critic_backup_type": "min",
            "use_soft_target_update": True,
            "learn_temperature": True,
            "eval_interval": 10**9,
        },
    )
    trainer = make_trainer(config, Path(tempfile.mkdtemp()), show_progress=False)
    return trainer.run_steps


def sb3_chunks(hidden_size: int, batch_size: int):
    """Yield a function that trains for so many steps."""
    import gymnasium as gym
    from stable_baselines3 import SAC

    model = SAC(
        "MlpPolicy",
        gym.make(ENV_NAME),
        batch_size=batch_size,
        learning_starts=TRAINING_STARTS,
        policy_kwargs={"net_arch": [hidden_size, hidden_size]},
        device="cpu",
    )
    return lambda num_steps: model.learn(num_steps, reset_num_timesteps=False)
