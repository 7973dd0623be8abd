"""REINFORCE on CartPole, composed in plain Python instead of YAML.

The same pieces as `experiments/pg/cartpole_baseline.yaml`, each made by hand, so that any of them
can be replaced by one of your own:

    python experiments/cartpole_reinforce.py --total_steps 100000
"""

import argparse
from functools import partial
from pathlib import Path

import torch

import hw.infrastructure.pytorch_util as ptu
from hw.agents.pg_agent import PolicyGradient
from hw.env_configs.schedule import linear_schedule
from hw.envs.make_env import EnvFactory
from hw.infrastructure.checkpoint import CheckpointDirectory
from hw.infrastructure.episode_buffer import EpisodeBuffer
from hw.infrastructure.evaluation import Evaluator
from hw.infrastructure.logger import Logger
from hw.infrastructure.run_dir import create_run_dir
from hw.infrastructure.trainer import Trainer, TrainerSettings
from hw.networks.backbones import MLP
from hw.networks.heads import CategoricalHead
from hw.networks.mlp_policy import NetworkPolicy
from hw.networks.state_value_critic import StateValueCritic

# What the run's directory is named after.
NAME = {"base_config": "pg", "exp_name": "in_python", "env_name": "CartPole-v1", "seed": 1}
ENVS = EnvFactory(NAME["env_name"])


def make_backbone(observation_shape):
    """Two hidden layers: observations -> features."""
    return MLP(observation_shape, n_layers=2, size=64, activation="tanh")


def make_actor(observation_shape, num_actions):
    """Features -> a distribution over the actions."""
    backbone = make_backbone(observation_shape)
    return NetworkPolicy(backbone, CategoricalHead(backbone.feature_size, num_actions))


def make_critic(observation_shape):
    """Features -> the baseline V(s)."""
    return StateValueCritic(make_backbone(observation_shape))


def make_agent(envs, total_steps):
    """REINFORCE with reward-to-go, a baseline and normalised advantages."""
    make_optimizer = partial(torch.optim.Adam, lr=5e-3, fused=True)
    return PolicyGradient(
        envs.single_observation_space.shape,
        int(envs.single_action_space.n),
        make_actor=make_actor,
        make_critic=make_critic,
        make_actor_optimizer=make_optimizer,
        make_critic_optimizer=make_optimizer,
        learning_rate_schedule=linear_schedule(1.0, 0.0, total_steps),
        discount=0.99,
        use_reward_to_go=True,
        gae_lambda=None,
        normalize_advantages=True,
        num_critic_updates=20,
        entropy_coefficient=0.0,
        clip_grad_norm=None,
        advantage_histogram_period=10,
    )


def main():
    """Train, and print what the policy reaches."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--total_steps", type=int, default=200_000)
    parser.add_argument("--data_dir", type=Path, default=Path("data"))
    args = parser.parse_args()

    seeds = ptu.split_seed(NAME["seed"])
    ptu.seed_torch(seeds.torch)
    run_dir = create_run_dir(args.data_dir, NAME)
    envs = ENVS.make_training_envs(1)
    with Trainer(
        agent=make_agent(envs, args.total_steps),
        envs=envs,
        buffer=EpisodeBuffer(1000),
        evaluator=Evaluator(ENVS.make_evaluation_envs, 10, 0, True, seeds.evaluation),
        logger=Logger(run_dir),
        checkpoints=CheckpointDirectory(run_dir, None, None),
        settings=TrainerSettings(
            total_steps=args.total_steps,
            total_episodes=None,
            eval_interval=10_000,
            log_interval=1000,
        ),
        seeds=seeds,
    ) as trainer:
        evaluation = trainer.train()
    print(f"eval return {evaluation['eval/return_mean']:.1f}")


if __name__ == "__main__":
    main()
