"""A run that is stopped and resumed goes on to the same bits: every algorithm, every vectorization.

The stop lies in the middle of episodes and of a rollout.
"""

import json

import numpy as np
import pytest
import torch

from hw.env_configs.assemble import make_trainer, resume
from hw.env_configs.loading import bind

STOP, END = 170, 340
COMMON = {
    "log_interval": 50,
    "eval_interval": 100,
    "num_eval_trajectories": 2,
    "eval_deterministic": False,
    "compile": False,
}
REPLAY = {"random_steps": 30, "training_starts": 60, "batch_size": 8, "hidden_size": 8}
SAC = {"base_config": "sac", "env_name": "Pendulum-v1", "target_update_period": 40, **REPLAY}
TD3 = {"base_config": "td3", "env_name": "Hopper-v5", **REPLAY}
DQN = {"base_config": "dqn", "env_name": "CartPole-v1", "target_update_period": 40, **REPLAY}
PPO = {"base_config": "ppo", "rollout_length": 40, "batch_size": 40, "num_epochs": 2}
PG = {"base_config": "pg", "batch_size": 60, "use_reward_to_go": True, "use_baseline": True}
NORMALIZED = ["normalize_observation", {"normalize_reward": {"discount": 0.99}}]
RUNS = {
    "sac": SAC,
    "sac, normalised, 2 environments": SAC | {"wrappers": NORMALIZED[:1], "num_envs": 2},
    "td3": TD3,
    "dqn": DQN,
    "dqn, 3 steps, 2 async": DQN | {"n_step": 3, "num_envs": 2, "vectorization": "async"},
    "dqn, frames stacked, dueling": DQN
    | {"wrappers": [{"frame_stack": {"num_frames": 3}}], "use_dueling": True},
    "dqn, prioritised": DQN | {"use_prioritized_replay": True, "num_envs": 2},
    "ppo, discrete, 4 native": PPO
    | {"env_name": "CartPole-v1", "num_envs": 4, "vectorization": "native"},
    "ppo, continuous, normalised, annealed": PPO
    | {
        "env_name": "Hopper-v5",
        "num_envs": 2,
        "wrappers": NORMALIZED,
        "learning_rate_schedule": "linear",
        "clip_ratio_schedule": "linear",
    },
    "ppo, shared trunk, async": PPO
    | {
        "env_name": "Acrobot-v1",
        "num_envs": 2,
        "vectorization": "async",
        "use_shared_trunk": True,
    },
    "pg": PG | {"env_name": "CartPole-v1", "num_envs": 3},
    "pg on GridWorld": PG | {"env_name": "GridWorld-v0"},
    "random": {"base_config": "random", "env_name": "CartPole-v1", "num_envs": 2},
}


def trainer_of(settings, run_dir):
    run_dir.mkdir(exist_ok=True)
    config = bind({**COMMON, **settings, "total_steps": END})
    return make_trainer(config, run_dir, show_progress=False)


def rows(run_dir):
    text = (run_dir / "metrics.jsonl").read_text(encoding="utf-8")
    found = [json.loads(line) for line in text.splitlines()]
    return [{k: v for k, v in row.items() if not k.startswith("time/")} for row in found]


@pytest.mark.parametrize("settings", RUNS.values(), ids=RUNS)
def test_a_resumed_run_is_the_uninterrupted_one(tmp_path, settings):
    with trainer_of(settings, tmp_path / "whole") as whole:
        whole.train()

    with trainer_of(settings, tmp_path / "part") as part:
        while part.step < STOP:
            part.run_step()
        part.save_checkpoint()
    with trainer_of(settings, tmp_path / "part") as part:
        resume(part, tmp_path / "part")
        assert part.step >= STOP
        while not part.is_finished():
            part.run_step()

    expected, found = whole.agent.state_dict(), part.agent.state_dict()
    for name, value in expected.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, found[name]), name
    assert part.metrics.num_updates == whole.metrics.num_updates
    assert part.metrics.num_episodes == whole.metrics.num_episodes
    assert list(part.metrics.returns) == list(whole.metrics.returns)


@pytest.mark.parametrize("settings", RUNS.values(), ids=RUNS)
def test_the_same_seed_gives_the_same_rows(tmp_path, settings):
    for name in ("first", "second"):
        with trainer_of(settings, tmp_path / name) as trainer:
            trainer.train()
    assert len(rows(tmp_path / "first")) >= 5
    assert rows(tmp_path / "first") == rows(tmp_path / "second")


def test_replayed_observations_are_normalised_by_todays_statistics(tmp_path):
    settings = SAC | {"wrappers": ["normalize_observation"]}
    with trainer_of(settings, tmp_path) as trainer:
        for _ in range(120):
            trainer.run_step()
        normalizer = trainer.runner.envs
        raw = trainer.buffer.sample(64)["observations"]
        assert raw[:, 2].std() > 2 * raw[:, 0].std()  # angular speed and cosine, as they are
        trainer.buffer.generator = np.random.default_rng(0)
        batch = trainer.sample()
        trainer.buffer.generator = np.random.default_rng(0)
        expected = trainer.buffer.sample(SAC["batch_size"])
        for name in ("observations", "next_observations"):
            np.testing.assert_array_equal(batch[name], normalizer.normalize(expected[name]))
        seen = trainer.runner.raw_observations
        np.testing.assert_array_equal(trainer.runner.observations, normalizer.normalize(seen))
