"""The results that docs/results.md states, trained from scratch; `make verify` runs them."""

import json

import numpy as np
import pytest
import torch

from hw.env_configs.assemble import load_snapshot
from hw.env_configs.loading import load_config
from hw.infrastructure.checkpoint import latest_state, load_state
from hw.infrastructure.evaluation import evaluate
from hw.scripts import run

pytestmark = pytest.mark.slow


def train(experiment, seed, tmp_path, *flags):
    """Train an experiment as it stands; returns its run directory."""
    data_dir = tmp_path / f"{experiment.replace('/', '_')}_{seed}"
    path = f"experiments/{experiment}.yaml"
    assert run.main(["-cfg", path, "--seed", str(seed), "--data_dir", str(data_dir), *flags]) == 0
    (run_dir,) = data_dir.iterdir()
    return run_dir


def evaluation_returns(run_dir):
    rows = [json.loads(line) for line in (run_dir / "metrics.jsonl").open(encoding="utf-8")]
    return [row["eval/return_mean"] for row in rows if "eval/return_mean" in row]


def mean_return(run_dir, num_episodes):
    """Over the reset seeds from 10000 on."""
    recipe = load_config(run_dir / "config.yaml").recipe
    envs = recipe.envs.make_evaluation_envs(16)
    agent = recipe.make_agent(envs)
    load_snapshot(latest_state(run_dir / "snapshots"), agent, envs)
    returns = evaluate(agent, envs, range(10_000, 10_000 + num_episodes)).returns
    envs.close()
    return returns.mean()


def test_sac_is_near_optimal_on_pendulum_at_20k_steps_on_every_seed(tmp_path):
    seeds = range(1, 11)
    means = [mean_return(train("sac/pendulum", seed, tmp_path), 1000) for seed in seeds]
    assert np.mean(means) >= -150
    assert min(means) >= -165


@pytest.mark.parametrize("seed", range(1, 6))
def test_td3_swings_up_pendulum_within_20k_steps(tmp_path, seed):
    assert mean_return(train("td3/pendulum", seed, tmp_path), 200) >= -160


@pytest.mark.parametrize("seed", range(1, 11))
def test_ppo_masters_cartpole_within_100k_steps(tmp_path, seed):
    run_dir = train("ppo/cartpole", seed, tmp_path)
    assert mean_return(run_dir, 100) == evaluation_returns(run_dir)[-1] == 500


@pytest.mark.parametrize("seed", range(1, 11))
def test_dqn_balances_cartpole_within_50k_steps(tmp_path, seed):
    assert evaluation_returns(train("dqn/cartpole", seed, tmp_path))[-1] >= 475


@pytest.mark.parametrize("seed", range(1, 6))
def test_reinforce_with_a_baseline_masters_cartpole_within_200k_steps(tmp_path, seed):
    assert evaluation_returns(train("pg/cartpole_baseline", seed, tmp_path))[-1] == 500


@pytest.mark.parametrize("seed", range(1, 6))
def test_reinforce_finds_the_shortest_path_within_500_episodes(tmp_path, seed):
    run_dir = train("pg/gridworld", seed, tmp_path)
    assert evaluation_returns(run_dir)[-1] == pytest.approx(10 - 7 * 0.1)


@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("kind", ["reinforce", "reparametrize"])
def test_inverted_pendulum_balances_within_50k_steps(tmp_path, kind, seed):
    returns = evaluation_returns(train(f"sac/invertedpendulum_{kind}", seed, tmp_path))
    assert max(returns) == 1000
    assert returns[-1] == 1000


def test_a_compiled_agent_follows_an_eager_one(tmp_path):
    config = load_config("experiments/sac/halfcheetah_autotune.yaml", {"hidden_size": 64})
    agents = []
    for is_compiled in (False, True):
        envs = config.recipe.envs.make_evaluation_envs(1)
        torch.manual_seed(0)
        agent = config.recipe.make_agent(envs)
        agent.compiler.is_enabled = is_compiled
        batch = {
            "observations": torch.randn(256, 17),
            "actions": torch.rand(256, 6) * 2 - 1,
            "rewards": torch.randn(256),
            "next_observations": torch.randn(256, 17),
            "dones": torch.rand(256) < 0.1,
        }
        for step in range(20):
            metrics = agent.update(**batch, step=step)
        agents.append((agent, metrics))
    for name, value in agents[0][1].items():
        torch.testing.assert_close(agents[1][1][name], value, rtol=1e-3, atol=1e-3)


def test_compiled_runs_repeat_to_the_last_bit(tmp_path):
    flags = ["--compile", "--set", "total_steps=3000"]
    first, second = (
        train("sac/halfcheetah_clipq", 1, tmp_path / name, *flags, "training_starts=1000")
        for name in "ab"
    )
    states = [load_state(latest_state(path / "snapshots")) for path in (first, second)]
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name
