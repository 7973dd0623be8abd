"""Soft actor-critic on Pendulum, composed in plain Python instead of YAML.

The same pieces as `experiments/sac/pendulum.yaml`, each made by hand, so that any of them can be
replaced by one of your own:

    python experiments/pendulum_sac.py --total_steps 20000
"""

import argparse
from functools import partial
from pathlib import Path

import torch

import hw.infrastructure.pytorch_util as ptu
from hw.agents.sac_agent import SoftActorCritic
from hw.env_configs.schedule import ConstantSchedule
from hw.envs.make_env import EnvFactory
from hw.infrastructure.checkpoint import CheckpointDirectory
from hw.infrastructure.evaluation import Evaluator
from hw.infrastructure.logger import Logger
from hw.infrastructure.replay_buffer import ReplayBuffer
from hw.infrastructure.run_dir import create_run_dir
from hw.infrastructure.trainer import Trainer, TrainerSettings
from hw.networks.mlp_policy import MLPPolicy
from hw.networks.state_action_value_critic import StateActionCriticEnsemble

# What the run's directory is named after.
NAME = {"base_config": "sac", "exp_name": "in_python", "env_name": "Pendulum-v1", "seed": 1}
ENVS = EnvFactory(NAME["env_name"])


def make_actor(observation_shape, action_dim):
    """Two hidden layers, then the mean and standard deviation of a tanh-squashed Gaussian."""
    return MLPPolicy(
        observation_shape[0],
        action_dim,
        n_layers=2,
        size=64,
        activation="relu",
        use_tanh=True,
        state_dependent_std=True,
    )


def make_critic(observation_shape, action_dim, num_critics):
    """Two Q-functions, evaluated together."""
    return StateActionCriticEnsemble(num_critics, observation_shape[0], action_dim, 2, 64, "relu")


def make_agent(envs):
    """Clipped double-Q with a learned temperature."""
    make_optimizer = partial(torch.optim.Adam, lr=1e-3, fused=True)
    return SoftActorCritic(
        envs.single_observation_space.shape,
        envs.single_action_space.shape[0],
        make_actor=make_actor,
        make_critic=make_critic,
        make_actor_optimizer=make_optimizer,
        make_critic_optimizer=make_optimizer,
        make_temperature_optimizer=make_optimizer,
        learning_rate_schedule=ConstantSchedule(1.0),
        discount=0.99,
        num_critic_networks=2,
        num_critic_updates=1,
        target_critic_backup_type="min",
        redq_subset_size=2,
        target_update_period=None,
        soft_target_update_rate=0.005,
        actor_gradient_type="reparametrize",
        num_actor_samples=1,
        use_entropy_bonus=True,
        backup_entropy=True,
        temperature=0.1,
        learn_temperature=True,
        target_entropy=-1.0,
        clip_grad_norm=None,
    )


def main():
    """Train, and print what the policy reaches."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--total_steps", type=int, default=20_000)
    parser.add_argument("--data_dir", type=Path, default=Path("data"))
    args = parser.parse_args()

    seeds = ptu.split_seed(NAME["seed"])
    ptu.seed_torch(seeds.torch)
    run_dir = create_run_dir(args.data_dir, NAME)
    envs = ENVS.make_training_envs(1)
    with Trainer(
        agent=make_agent(envs),
        envs=envs,
        buffer=ReplayBuffer(100_000, seeds.buffer),
        evaluator=Evaluator(ENVS.make_evaluation_envs, 10, 0, True, seeds.evaluation),
        logger=Logger(run_dir),
        checkpoints=CheckpointDirectory(run_dir, None, None),
        settings=TrainerSettings(
            total_steps=args.total_steps,
            total_episodes=None,
            random_steps=1000,
            training_starts=1000,
            updates_per_step=1.0,
            batch_size=256,
            eval_interval=2500,
            log_interval=1000,
        ),
        seeds=seeds,
    ) as trainer:
        evaluation = trainer.train()
    print(f"eval return {evaluation['eval/return_mean']:.1f}")


if __name__ == "__main__":
    main()
