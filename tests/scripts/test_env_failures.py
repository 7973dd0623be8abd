"""What goes wrong in an environment is named, with its number and the step; the run stays whole."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from gymnasium import Env, register
from gymnasium.spaces import Box, Dict, Discrete

from hw.infrastructure.checkpoint import list_states, load_state
from hw.infrastructure.errors import ConfigError, EnvError
from hw.scripts import run

FAILS_AT = 60  # steps of one environment


class Failing(Env):
    """Counts its steps, over all episodes, and at `FAILS_AT` does what it is told to."""

    action_space = Discrete(2)

    def __init__(self, how):
        space = Box(-np.inf, np.inf, (2,), np.float32)
        self.observation_space = Dict({"a": space}) if how == "dict" else space
        self.how, self.num_steps = how, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.num_steps += 1
        observation, reward = np.ones(2, np.float32), 1.0
        if self.num_steps == FAILS_AT:
            if self.how == "raises":
                raise RuntimeError("the motor is on fire")
            if self.how == "dies":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.how == "nan":
                observation[1] = np.nan
            if self.how == "reward":
                reward = np.ones(2)
            if self.how == "shape":
                observation = np.ones(3, np.float32)
        return observation, reward, False, False, {}


register("Failing-v0", Failing, max_episode_steps=10)


def train(tmp_path, **changes):
    experiment = {
        "base_config": "dqn",
        "env_name": "Failing-v0",
        "num_envs": 3,
        "total_steps": 900,
        "training_starts": 60,
        "batch_size": 4,
        "hidden_size": 8,
        "log_interval": 30,
        "eval_interval": 10_000,
        "checkpoint_interval": 90,
        **changes,
    }
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(experiment))
    arguments = ["-cfg", str(tmp_path / "a.yaml"), "--data_dir", str(tmp_path / "data")]
    return run.main(arguments)


def check_that_the_run_is_whole(tmp_path):
    (run_dir,) = (tmp_path / "data").iterdir()
    rows = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] >= 120
    assert yaml.safe_load((run_dir / "config.yaml").read_text())["env_name"] == "Failing-v0"
    newest = load_state(list_states(run_dir / "checkpoints")[-1])
    assert newest["step"] >= 90
    assert not list(run_dir.glob("**/*.unfinished"))


@pytest.mark.parametrize("vectorization", ["sync", "async"])
@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("raises", "Failing-v0, environment 0: RuntimeError: the motor is on fire"),
        ("nan", "Failing-v0, environment 0: the observation is not finite"),
        ("reward", "Failing-v0, environment 0: a reward"),
        ("shape", "Failing-v0, environment 0: an observation of shape (3,)"),
    ],
)
def test_a_failure_is_named_with_its_environment_and_step(tmp_path, vectorization, how, message):
    with pytest.raises(EnvError) as error:
        train(tmp_path, env_kwargs={"how": how}, vectorization=vectorization)
    first, *traceback = str(error.value).splitlines()
    assert first.startswith(message)
    assert first.endswith(f"(at step {3 * (FAILS_AT - 1)})")
    if how == "raises":
        assert any(", in step" in line for line in traceback)
        assert any("the motor is on fire" in line for line in traceback)
    else:
        assert traceback == []
    check_that_the_run_is_whole(tmp_path)


def test_a_killed_worker_is_named(tmp_path):
    with pytest.raises(EnvError, match=r"environment \d: its process was killed by SIGKILL"):
        train(tmp_path, env_kwargs={"how": "dies"}, vectorization="async")
    check_that_the_run_is_whole(tmp_path)


def test_a_dict_of_observations_is_refused_before_the_run_begins(tmp_path):
    with pytest.raises(ConfigError, match=r"Failing-v0 has observations Dict.*flatten_observation"):
        train(tmp_path, env_kwargs={"how": "dict"})
    assert not (tmp_path / "data").exists()


def test_a_failure_in_an_evaluation_is_named_with_the_step_of_training(tmp_path):
    """Three evaluations of two episodes of 10 steps reach it, in one environment at a time."""
    with pytest.raises(EnvError, match=r"environment 0: Runtime.*\(at step \d+\)"):
        train(
            tmp_path,
            env_kwargs={"how": "raises"},
            num_envs=1,
            total_steps=59,
            training_starts=20,
            eval_interval=5,
            num_eval_trajectories=1,
            checkpoint_interval=20,
        )
    (run_dir,) = (tmp_path / "data").iterdir()
    assert load_state(list_states(run_dir / "checkpoints")[-1])["step"] > 20


def test_on_the_command_line_it_is_an_error_with_status_2(tmp_path):
    (tmp_path / "a.yaml").write_text(
        "base_config: random\nenv_name: failing_module:Failing-v0\nenv_kwargs: {how: raises}\n"
    )
    source = Path(__file__).read_text(encoding="utf-8")
    (tmp_path / "failing_module.py").write_text(source)
    command = [sys.executable, "hw/scripts/run.py", "-cfg", str(tmp_path / "a.yaml")]
    result = subprocess.run(
        [*command, "--data_dir", str(tmp_path / "data")],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert result.returncode == 2
    (message,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert "Failing-v0, environment 0: RuntimeError: the motor is on fire (at step 59)" in message
