"""Any agent with any backbone, environment and vectorization: by changing one line of a config."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from gymnasium import Env, register
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete

from hw.env_configs.assemble import make_trainer
from hw.env_configs.loading import bind, load_config
from hw.infrastructure.errors import ConfigError
from hw.networks.backbones import MLP

STEPS = 300
AGENTS = {
    "sac": {"use_soft_target_update": True, "random_steps": 20, "training_starts": 250},
    "td3": {"random_steps": 20, "training_starts": 250},
    "dqn": {"training_starts": 250, "n_step": 2},
    "ppo": {"rollout_length": 32, "batch_size": 32, "num_epochs": 1},
    "pg": {"batch_size": 40, "use_reward_to_go": True, "use_baseline": True},
    "random": {},
    "constant": {},
}
CONTINUOUS = {"sac", "td3", "ppo", "pg", "random", "constant"}
DISCRETE = {"dqn", "ppo", "pg", "random", "constant"}
REPLAYING = {"sac", "td3", "dqn", "random", "constant"}


class Pictures(Env):
    """36 x 36 pixels, in four frames, whose brightness is the last action."""

    observation_space = Box(0, 255, (4, 36, 36), np.uint8)

    def __init__(self, actions="discrete"):
        is_discrete = actions == "discrete"
        self.action_space = Discrete(3) if is_discrete else Box(-1.0, 1.0, (2,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.frame = np.zeros((4, 36, 36), np.uint8)
        return self.frame, {}

    def step(self, action):
        brightness = int(127 * (1.0 + np.mean(action) / 3.0))
        newest = np.full((1, 36, 36), brightness, np.uint8)
        self.frame = np.concatenate([self.frame[1:], newest])
        return self.frame, brightness / 255.0, False, False, {}


class OddSpaces(Env):
    """Has the spaces that it is told to have."""

    def __init__(self, observation_space, action_space):
        self.observation_space, self.action_space = observation_space, action_space

    def reset(self, *, seed=None, options=None):
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), 0.0, False, False, {}


class OwnBackbone(MLP):
    """A backbone from outside of the package."""


register("Pictures-v0", Pictures, max_episode_steps=25)
register("OddSpaces-v0", OddSpaces, max_episode_steps=25)
sys.modules.setdefault("swaps_module", sys.modules[__name__])


def settings(agent, **changes):
    small = {"hidden_size": 8, "num_layers": 1} if agent not in ("random", "constant") else {}
    replay = {"batch_size": 8, "replay_buffer_capacity": 400} if agent in REPLAYING else {}
    return {
        "base_config": agent,
        "total_steps": STEPS,
        "eval_interval": STEPS,
        "num_eval_trajectories": 1,
        "log_interval": 100,
        "compile": False,
        **small,
        **replay,
        **AGENTS[agent],
        **changes,
    }


def train(config, run_dir):
    with make_trainer(config, run_dir, show_progress=False) as trainer:
        trainer.train()
    rows = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    assert trainer.step >= STEPS
    assert trainer.metrics.num_updates > 0
    assert np.isfinite(rows[-1]["eval/return_mean"])
    return trainer, rows


COMBINATIONS = [
    (agent, backbone, env_name, vectorization, num_envs)
    for agent in AGENTS
    for backbone, env_name in [
        ("mlp", "CartPole-v1"),
        ("mlp", "Pendulum-v1"),
        ("nature_cnn", "Pictures-v0"),
        ("nature_cnn", "Pictures-v0 continuous"),
        ("swaps_module:OwnBackbone", "CartPole-v1"),
        ("swaps_module:OwnBackbone", "Pendulum-v1"),
    ]
    for vectorization, num_envs in [("sync", 1), ("sync", 2), ("async", 2), ("native", 2)]
    if agent in (DISCRETE if env_name in ("CartPole-v1", "Pictures-v0") else CONTINUOUS)
    if vectorization != "native" or env_name == "CartPole-v1"
    if vectorization != "async" or backbone == "mlp"
    if agent not in ("random", "constant") or backbone != "swaps_module:OwnBackbone"
]


@pytest.mark.parametrize(
    ("agent", "backbone", "env_name", "vectorization", "num_envs"), COMBINATIONS, ids=str
)
def test_they_combine(tmp_path, agent, backbone, env_name, vectorization, num_envs):
    changes = {"num_envs": num_envs, "vectorization": vectorization}
    if agent not in ("random", "constant"):
        changes["backbone"] = backbone
    if agent == "pg":
        changes["max_episode_steps"] = 20
    name, _, actions = env_name.partition(" ")
    if actions:
        changes["env_kwargs"] = {"actions": actions}
    train(bind(settings(agent, env_name=name, **changes)), tmp_path)


@pytest.mark.parametrize(
    ("agent", "changes", "message"),
    [
        ("dqn", {"env_name": "Pendulum-v1"}, "deep Q-learning needs Discrete"),
        ("sac", {"env_name": "CartPole-v1"}, "soft actor-critic needs a continuous Box"),
        ("td3", {"env_name": "CartPole-v1"}, "TD3 needs a continuous Box"),
        ("ppo", {"env_name": "FrozenLake-v1"}, r"Discrete\(16\).*flatten_observation"),
        ("pg", {"backbone": "nature_cnn", "env_name": "CartPole-v1"}, "backbone: nature_cnn"),
        ("dqn", {"backbone": "resnet", "env_name": "CartPole-v1"}, "unknown 'resnet'"),
        (
            "dqn",
            {"backbone": "json:ResNet", "env_name": "CartPole-v1"},
            "backbone: json:ResNet: 'json' has no",
        ),
        ("ppo", {"vectorization": "native", "env_name": "Pendulum-v1"}, "use sync or async"),
        ("ppo", {"vectorization": "threads", "env_name": "CartPole-v1"}, "vectorization"),
        ("ppo", {"batch_size": 33, "env_name": "CartPole-v1"}, "does not divide"),
        ("pg", {"gae_lambda": 0.9, "use_baseline": False, "env_name": "A"}, "gae_lambda: needs"),
        ("dqn", {"exploration_schedule": [[9, 1.0], [3, 0.0]], "env_name": "A"}, "must increase"),
        ("dqn", {"exploration_schedule": [[0, 2.0]], "env_name": "A"}, "epsilon lies in"),
        ("ppo", {"fixed_std": 0.5, "initial_std": 0.5, "env_name": "A"}, "initial_std"),
    ],
)
def test_senseless_combinations_are_refused_in_a_line(tmp_path, agent, changes, message):
    with pytest.raises(ConfigError, match=message) as error:
        make_trainer(bind(settings(agent, **changes)), tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize(
    ("observation_space", "action_space", "message"),
    [
        (Dict({"a": Box(0, 1, (2,))}), Discrete(2), "observations Dict.*flatten_observation"),
        (Box(0, 1, ()), Discrete(2), "at least one axis"),
        (Box(0, 1, (2,)), MultiDiscrete([2, 2]), "actions MultiDiscrete"),
        (Box(0, 1, (2,)), Discrete(2, start=1), "from 0 on|continuous Box"),
        (Box(0, 1, (2,)), Box(-np.inf, np.inf, (1,)), "Discrete|bounded"),
    ],
    ids=str,
)
def test_spaces_that_no_agent_can_use_are_refused(
    tmp_path, agent, observation_space, action_space, message
):
    kwargs = {"observation_space": observation_space, "action_space": action_space}
    config = bind(settings(agent, env_name="OddSpaces-v0", env_kwargs=kwargs))
    with pytest.raises(ConfigError, match=message):
        make_trainer(config, tmp_path)


@pytest.mark.parametrize("agent", ["sac", "td3", "dqn"])
def test_prioritised_replay_serves_every_agent_that_replays(tmp_path, agent):
    env_name = "CartPole-v1" if agent == "dqn" else "Pendulum-v1"
    changes = {"use_prioritized_replay": True, "num_envs": 2, "n_step": 3}
    if agent != "dqn":
        del changes["n_step"]
    trainer, _ = train(bind(settings(agent, env_name=env_name, **changes)), tmp_path)
    priorities = trainer.buffer.state_dict()["priorities"]
    assert len(set(priorities.tolist())) > 20  # those of TD errors, no longer the first one's


@pytest.mark.parametrize("env_name", ["FrozenLake-v1", "Taxi-v4", "Blackjack-v1"])
def test_discrete_observations_go_through_a_wrapper(tmp_path, env_name):
    changes = {"wrappers": ["flatten_observation"], "max_episode_steps": 20}
    train(bind(settings("ppo", env_name=env_name, **changes)), tmp_path)


def test_every_wrapper_of_ours_in_one_chain(tmp_path):
    wrappers = [
        {"time_limit": {"max_steps": 30}},
        {"frame_stack": {"num_frames": 3}},
        "normalize_observation",
        {"normalize_reward": {"discount": 0.99}},
        {"clip_reward": {"low": -1, "high": 1}},
        {"scale_reward": {"factor": 0.5}},
    ]
    config = bind(settings("ppo", env_name="CartPole-v1", wrappers=wrappers, num_envs=4))
    trainer, rows = train(config, tmp_path)
    assert trainer.agent.observation_shape == (3, 4)
    assert rows[-1]["train/episode_length_mean_100"] <= 30
    # Returns are the task's own: 1 a step, whatever the wrappers make of the rewards.
    assert rows[-1]["train/return_mean_100"] == rows[-1]["train/episode_length_mean_100"]
    assert rows[-1]["eval/return_mean"] == rows[-1]["eval/episode_length_mean"]


def test_always_action_0_gives_the_numbers_that_one_can_work_out(tmp_path):
    """CartPole pushed to the left falls after 8 to 10 steps, each worth 1."""
    config = load_config(Path("experiments/constant/cartpole.yaml"), settings_of_a_short_run())
    _, rows = train(config, tmp_path)
    assert 8 <= rows[-1]["eval/return_min"] <= rows[-1]["eval/return_max"] <= 10
    assert rows[-1]["batch/reward_mean"] == 1.0
    assert rows[-1]["train/return_mean_100"] == rows[-1]["train/episode_length_mean_100"]
    assert 8 <= rows[-1]["train/return_mean_100"] <= 10


def settings_of_a_short_run():
    return {"total_steps": STEPS, "eval_interval": STEPS}
