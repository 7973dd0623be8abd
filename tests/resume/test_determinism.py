"""The same seed gives the same bits: every algorithm, and every vectorization that promises it."""

import numpy as np
import pytest
import torch

from hw.env_configs.assemble import make_trainer
from hw.env_configs.loading import bind
from hw.infrastructure.checkpoint import list_states, load_state

STEPS = 240
COMMON = {
    "total_steps": STEPS,
    "log_interval": 40,
    "eval_interval": 120,
    "num_eval_trajectories": 1,
    "eval_deterministic": False,
    "compile": False,
    "hidden_size": 8,
    "seed": 3,
}
REPLAY = {"random_steps": 30, "training_starts": 60, "batch_size": 8, "max_episode_steps": 30}
ALGORITHMS = {
    "sac": REPLAY | {"base_config": "sac", "env_name": "Pendulum-v1"},
    "td3": REPLAY | {"base_config": "td3", "env_name": "Pendulum-v1"},
    "dqn": REPLAY | {"base_config": "dqn", "env_name": "CartPole-v1"},
    "dqn, prioritised": REPLAY
    | {"base_config": "dqn", "env_name": "CartPole-v1", "use_prioritized_replay": True},
    "ppo": {
        "base_config": "ppo",
        "env_name": "CartPole-v1",
        "rollout_length": 20,
        "batch_size": 20,
        "num_epochs": 2,
        "num_envs": 2,
    },
    "pg": {"base_config": "pg", "env_name": "CartPole-v1", "batch_size": 60, "num_envs": 2},
}
VECTORIZATIONS = {
    "sync": {"vectorization": "sync"},
    "async": {"vectorization": "async"},
    "native": {"vectorization": "native"},
}


def final_state(settings, run_dir):
    """Everything that the run's last checkpoint holds, but for times and places."""
    run_dir.mkdir()
    with make_trainer(bind(COMMON | settings), run_dir, show_progress=False) as trainer:
        trainer.train()
    state = load_state(list_states(run_dir / "checkpoints")[-1])
    assert state["step"] >= STEPS
    return {name: part for name, part in state.items() if name not in ("clock", "logger")}


def assert_same_bits(found, expected, where="state"):
    assert type(found) is type(expected), where
    if isinstance(expected, dict):
        assert list(found) == list(expected), where
        for key, value in expected.items():
            assert_same_bits(found[key], value, f"{where}/{key}")
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected), where
        for index, value in enumerate(expected):
            assert_same_bits(found[index], value, f"{where}/{index}")
    elif isinstance(expected, torch.Tensor | np.ndarray):
        assert np.asarray(found).tobytes() == np.asarray(expected).tobytes(), where
    elif hasattr(expected, "segments"):  # whose names are checksums of what they hold
        found, expected = ([path.name for path in rows.segments] for rows in (found, expected))
        assert found == expected, where
    else:
        np.testing.assert_equal(found, expected, where)


def assert_repeats(settings, tmp_path):
    expected = final_state(settings, tmp_path / "first")
    assert_same_bits(final_state(settings, tmp_path / "second"), expected)
    other = final_state(settings | {"seed": 4}, tmp_path / "other")
    with pytest.raises(AssertionError):
        assert_same_bits(other, expected)


@pytest.mark.parametrize("settings", ALGORITHMS.values(), ids=ALGORITHMS)
def test_every_algorithm_repeats_to_the_last_bit(tmp_path, settings):
    assert_repeats(settings, tmp_path)


@pytest.mark.parametrize("vectorization", VECTORIZATIONS.values(), ids=VECTORIZATIONS)
def test_every_vectorization_repeats_to_the_last_bit(tmp_path, vectorization):
    assert_repeats(ALGORITHMS["ppo"] | {"num_envs": 3} | vectorization, tmp_path)


def test_native_atari_repeats_to_the_last_bit(tmp_path):
    pytest.importorskip("ale_py")
    settings = {"env_name": "ALE/Pong-v5", "vectorization": "native", "wrappers": ["atari"]}
    dqn = ALGORITHMS["dqn"] | {"backbone": "nature_cnn", "random_steps": 100, "total_steps": 110}
    dqn |= {"training_starts": 100, "replay_buffer_capacity": 80, "max_episode_steps": None}
    states = []
    for name in ("first", "second"):
        with make_trainer(bind(COMMON | dqn | settings), tmp_path, show_progress=False) as trainer:
            while not trainer.is_finished():
                trainer.run_step()
            trainer.checkpoints.save_checkpoint(1, trainer.state_dict() | {"logger": name})
        state = load_state(tmp_path / "checkpoints" / "step_000000000001.npz")
        states.append({k: v for k, v in state.items() if k not in ("clock", "logger")})
    assert_same_bits(states[1], states[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sac", "td3", "dqn", "ppo", "pg"])
def test_compiled_runs_repeat_to_the_last_bit(tmp_path, name):
    assert_repeats(ALGORITHMS[name] | {"compile": True}, tmp_path)
