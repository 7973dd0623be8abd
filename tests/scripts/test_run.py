"""The run script: what it writes, that it repeats and resumes, and each mistake it names."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from hw.infrastructure.checkpoint import list_states, load_state
from hw.infrastructure.errors import TrainingError, UserError
from hw.scripts import evaluate, run
from hw.scripts.command_line import run_main

TINY = {
    "base_config": "sac",
    "env_name": "Pendulum-v1",
    "exp_name": "tiny",
    "total_steps": 600,
    "random_steps": 100,
    "training_starts": 200,
    "batch_size": 16,
    "hidden_size": 8,
    "num_layers": 1,
    "replay_buffer_capacity": 1000,
    "actor_gradient_type": "reparametrize",
    "num_critic_networks": 2,
    "target_critic_backup_type": "min",
    "learn_temperature": True,
    "eval_interval": 200,
    "num_eval_trajectories": 2,
    "log_interval": 100,
    "checkpoint_interval": 300,
    "snapshot_interval": 300,
    "expect": {"eval_return": -2000},
}


@pytest.fixture
def experiment(tmp_path):
    """Write a tiny experiment, with changes, and return its path."""

    def write(**changes):
        path = tmp_path / "tiny.yaml"
        path.write_text(yaml.safe_dump(TINY | changes), encoding="utf-8")
        return str(path)

    return write


def train(tmp_path, cfg, *flags, name="data"):
    """Run in this process; returns the exit status and the run's directory."""
    before = set((tmp_path / name).glob("*"))
    status = run.main(["-cfg", cfg, "--data_dir", str(tmp_path / name), *flags])
    (run_dir,) = set((tmp_path / name).glob("*")) - before
    return status, run_dir


def rows(run_dir):
    return [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]


def without_times(metrics):
    return [
        {key: value for key, value in row.items() if not key.startswith("time/")} for row in metrics
    ]


def command(*arguments, **options):
    """Run the script as a user does."""
    return subprocess.run(
        [sys.executable, "hw/scripts/run.py", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **options,
    )


# --- what a run leaves behind -----------------------------------------------------------------


def test_a_run_writes_its_directory_as_documented(tmp_path, experiment, capsys):
    status, run_dir = train(tmp_path, experiment(), "--seed", "3", "--check")
    assert status == 0
    assert run_dir.name.startswith("sac_tiny_Pendulum-v1_seed3_")
    config = yaml.safe_load((run_dir / "config.yaml").read_text())
    assert config["seed"] == 3
    assert config["target_update_period"] == 1000
    assert config["provenance"][0]["packages"]["torch"] == torch.__version__
    assert set(config["provenance"][0]) >= {"git_commit", "git_clean", "command", "num_threads"}
    assert [path.name for path in list_states(run_dir / "checkpoints")] == [
        "step_000000000300.npz",
        "step_000000000600.npz",
    ]
    assert len(list_states(run_dir / "snapshots")) == 2
    assert list(run_dir.glob("events.out.tfevents.*"))
    metrics = rows(run_dir)
    steps = [row["step"] for row in metrics]
    assert steps == sorted(set(steps))
    assert [row["step"] for row in metrics if "eval/return_mean" in row] == [200, 400, 600]
    last = metrics[-1]
    assert last["train/num_updates"] == 400
    for key in (
        "critic/loss",
        "critic/q_values",
        "critic/target_values",
        "actor/loss",
        "actor/entropy",
        "actor/std",
        "temperature/value",
        "temperature/loss",
        "train/num_episodes",
        "train/episode_length_mean_10",
        "train/return_mean_10",
        "train/return_mean_100",
        "time/steps_per_second",
        "eval/return_mean",
        "eval/return_std",
        "eval/return_min",
        "eval/return_max",
    ):
        assert isinstance(last[key], float | int), key
    assert sum("train/return" in row for row in metrics) == 3  # once an episode
    assert str(run_dir) in capsys.readouterr().out.splitlines()[-1]


def test_the_same_seed_gives_the_same_metrics_and_another_seed_others(tmp_path, experiment):
    cfg = experiment()
    _, first = train(tmp_path, cfg)
    _, second = train(tmp_path, cfg)
    _, third = train(tmp_path, cfg, "--seed", "2")
    assert without_times(rows(first)) == without_times(rows(second))
    assert without_times(rows(first)) != without_times(rows(third))


def test_evaluating_more_often_does_not_change_training(tmp_path, experiment):
    def training_part(run_dir):
        return [
            {key: value for key, value in row.items() if key.startswith(("critic", "actor"))}
            for row in rows(run_dir)
            if row["step"] % 100 == 0
        ]

    _, seldom = train(tmp_path, experiment(eval_deterministic=False))
    _, often = train(tmp_path, experiment(eval_deterministic=False), "--eval_interval", "50")
    assert len(rows(often)) > len(rows(seldom))
    often_rows = [row for row in training_part(often) if row]
    assert often_rows == [row for row in training_part(seldom) if row]


def test_episodes_that_end_together_are_logged_as_their_mean(tmp_path, experiment):
    cfg = experiment(num_envs=4, max_episode_steps=10, total_steps=240, log_every_step=True)
    _, run_dir = train(tmp_path, cfg)
    steps = [json.loads(line) for line in (run_dir / "steps.jsonl").open()]
    expected = sum(np.sum(row["rewards"]) for row in steps[:10]) / 4
    first = next(row for row in rows(run_dir) if "train/return" in row)
    assert first["step"] == 40
    assert first["train/return"] == pytest.approx(expected)
    assert rows(run_dir)[-1]["train/num_episodes"] == 24


def test_several_environments_and_a_budget_of_episodes(tmp_path, experiment):
    cfg = experiment(num_envs=3, max_episode_steps=50, total_steps=None, total_episodes=6)
    status, run_dir = train(tmp_path, cfg, "--set", "updates_per_step=0.5")
    assert status == 0
    last = rows(run_dir)[-1]
    assert last["train/num_episodes"] == 6
    assert last["step"] == 300
    assert last["train/num_updates"] == 50
    assert last["train/episode_length"] == last["train/episode_length_mean_100"] == 50


@pytest.mark.parametrize(
    "changes",
    [
        {"actor_gradient_type": "reinforce", "num_actor_samples": 3},
        {"target_critic_backup_type": "doubleq", "use_tanh": False},
        {"target_critic_backup_type": "redq", "num_critic_networks": 4, "num_critic_updates": 2},
        {"use_soft_target_update": True, "learning_rate_schedule": "linear", "clip_grad_norm": 1},
        {"state_dependent_std": False, "fixed_std": 0.2, "learn_temperature": False},
        {"state_dependent_std": False, "use_entropy_bonus": False, "learn_temperature": False},
        {"env_name": "InvertedPendulum-v5", "activation": "relu", "log_every_step": True},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_variants_run(tmp_path, experiment, changes):
    status, run_dir = train(tmp_path, experiment(**changes), "--set", "total_steps=300")
    assert status == 0
    assert rows(run_dir)[-1]["train/num_updates"] == 100
    assert (run_dir / "steps.jsonl").exists() == bool(changes.get("log_every_step"))


def test_videos_of_evaluation_are_written_if_asked(tmp_path, experiment):
    flags = ["--num_render_trajectories", "1", "--eval_interval", "300"]
    _, run_dir = train(tmp_path, experiment(max_episode_steps=20, total_steps=300), *flags)
    (video,) = (run_dir / "videos").glob("*.mp4")
    assert video.name == "eval_episode_0_step_300.mp4"
    assert video.stat().st_size > 1000


# --- stopping and resuming --------------------------------------------------------------------


def test_a_stopped_run_resumes_to_the_same_bits(tmp_path, experiment):
    cfg = experiment(num_envs=2)
    _, whole = train(tmp_path, cfg)
    _, part = train(tmp_path, cfg, "--set", "total_steps=300")
    assert run.main(["--resume", str(part), "--set", "total_steps=600"]) == 0
    expected = load_state(list_states(whole / "checkpoints")[-1])["agent"]
    resumed = load_state(list_states(part / "checkpoints")[-1])["agent"]
    for name, value in expected.items():
        if name != "_extra_state":
            assert torch.equal(value, resumed[name]), name
    steps = [row["step"] for row in rows(part)]
    assert steps == sorted(set(steps))


def test_rows_beyond_the_checkpoint_are_not_doubled(tmp_path, experiment):
    _, run_dir = train(tmp_path, experiment())
    before = without_times(rows(run_dir))
    list_states(run_dir / "checkpoints")[-1].unlink()  # as if killed after step 300
    assert run.main(["--resume", str(run_dir)]) == 0
    assert without_times(rows(run_dir)) == before


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_cleanly_with_a_checkpoint(tmp_path, experiment, signal_number):
    cfg = experiment(total_steps=10**6, compile=False)
    process = subprocess.Popen(
        [sys.executable, "hw/scripts/run.py", "-cfg", cfg, "--data_dir", str(tmp_path / "data")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not list((tmp_path / "data").glob("*/checkpoints/*.npz")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal_number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    (run_dir,) = (tmp_path / "data").iterdir()
    step = load_state(list_states(run_dir / "checkpoints")[-1])["step"]
    assert out.splitlines()[-1] == f"stopped at step {step}; continue with --resume {run_dir}"
    assert rows(run_dir)[-1]["step"] <= step
    assert run.main(["--resume", str(run_dir), "--set", f"total_steps={step + 50}"]) == 0


def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(tmp_path, experiment, caplog):
    _, run_dir = train(tmp_path, experiment())
    before = without_times(rows(run_dir))
    newest = list_states(run_dir / "checkpoints")[-1]
    newest.write_bytes(newest.read_bytes()[:1000])
    assert run.main(["--resume", str(run_dir)]) == 0
    assert f"{newest}: not a readable checkpoint" in caplog.text
    assert without_times(rows(run_dir)) == before


def test_resuming_needs_a_run_and_a_checkpoint_that_can_be_read(tmp_path, experiment):
    with pytest.raises(UserError, match="config.yaml: cannot be read"):
        run.main(["--resume", str(tmp_path / "nothing")])
    _, run_dir = train(tmp_path, experiment())
    for path in list_states(run_dir / "checkpoints"):
        path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match="step_000000000600.npz: not a readable checkpoint"):
        run.main(["--resume", str(run_dir)])


@pytest.mark.parametrize("setting", ["hidden_size=16", "actor_learning_rate=0.5", "seed=77"])
def test_a_resumed_run_keeps_its_settings(tmp_path, experiment, setting):
    _, run_dir = train(tmp_path, experiment())
    key = setting.split("=")[0]
    with pytest.raises(UserError, match=f"command line: {key}: cannot change when resuming"):
        run.main(["--resume", str(run_dir), "--set", setting])


def test_a_checkpoint_of_another_run_is_named(tmp_path, experiment):
    _, run_dir = train(tmp_path, experiment())
    config = yaml.safe_load((run_dir / "config.yaml").read_text())
    (run_dir / "config.yaml").write_text(yaml.safe_dump(config | {"hidden_size": 16}))
    with pytest.raises(UserError, match="step_000000000600.npz: does not fit this run's config"):
        run.main(["--resume", str(run_dir), "--set", "total_steps=700"])
    with pytest.raises(UserError, match="step_000000000600.npz: does not fit the run's config"):
        evaluate.main([str(run_dir)])


def test_a_finished_run_has_nothing_left_to_do(tmp_path, experiment):
    _, run_dir = train(tmp_path, experiment())
    before = rows(run_dir)
    assert run.main(["--resume", str(run_dir)]) == 0
    assert rows(run_dir) == before


def test_an_error_in_mid_run_loses_nothing(tmp_path, experiment, monkeypatch):
    def fail(self):
        raise RuntimeError("no evaluation today")

    monkeypatch.setattr("hw.infrastructure.trainer.Trainer.evaluate", fail)
    with pytest.raises(RuntimeError, match="today"):
        train(tmp_path, experiment())
    (run_dir,) = (tmp_path / "data").iterdir()
    assert load_state(list_states(run_dir / "checkpoints")[-1])["step"] == 200


# --- bad input --------------------------------------------------------------------------------


def test_a_loss_that_is_not_finite_stops_with_its_name_and_step(tmp_path, experiment, monkeypatch):
    from hw.agents.sac_agent import SoftActorCritic

    original = SoftActorCritic.bellman_targets

    def poisoned(self, rewards, next_observations, dones):
        poisoned.calls += 1
        targets = original(self, rewards, next_observations, dones)
        return targets * np.nan if poisoned.calls > 250 else targets

    poisoned.calls = 0
    monkeypatch.setattr(SoftActorCritic, "bellman_targets", poisoned)
    with pytest.raises(TrainingError, match="critic/loss is nan at step 451.*step_000000000300"):
        train(tmp_path, experiment())
    (run_dir,) = (tmp_path / "data").iterdir()
    (checkpoint,) = list_states(run_dir / "checkpoints")
    assert checkpoint.name == "step_000000000300.npz"
    weights = load_state(checkpoint)["agent"]
    assert all(torch.isfinite(v).all() for n, v in weights.items() if n != "_extra_state")


def test_weights_that_are_not_finite_are_not_saved(tmp_path, experiment, monkeypatch):
    from hw.agents.sac_agent import SoftActorCritic

    original = SoftActorCritic.update_actor

    def poisoned(self, observations):
        metrics = original(self, observations)
        self.actor_parameters[0].data[0] = np.nan
        return metrics

    monkeypatch.setattr(SoftActorCritic, "update_actor", poisoned)
    cfg = experiment(total_steps=201)
    with pytest.raises(TrainingError, match="actor.* is not finite at step 201"):
        train(tmp_path, cfg)
    (run_dir,) = (tmp_path / "data").iterdir()
    assert not list(run_dir.glob("*/step_*"))


def test_a_return_that_is_not_a_number_misses_every_expectation(tmp_path, experiment, monkeypatch):
    monkeypatch.setattr(
        "hw.infrastructure.evaluation.Evaluation.metrics",
        lambda self: {"eval/return_mean": np.nan, "eval/return_std": np.nan},
    )
    status, _ = train(tmp_path, experiment(), "--check")
    assert status == 1


def test_an_unwritable_data_directory_is_named(tmp_path, experiment):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=f"cannot write to {tmp_path}/file/data"):
        run.main(["-cfg", experiment(), "--data_dir", str(tmp_path / "file" / "data")])


def test_a_gpu_that_is_not_there_is_named(tmp_path, experiment):
    absent = str(torch.cuda.device_count())
    with pytest.raises(UserError, match=f"--which_gpu {absent}: this machine has {absent}"):
        run.main(["-cfg", experiment(), "--which_gpu", absent, "--data_dir", str(tmp_path)])
    assert not list(tmp_path.glob("sac_*"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"env_name": "CartPole-v1"}, "env_name: CartPole-v1 has actions Discrete(2)"),
        ({"env_name": "Nope-v1"}, "env_name: cannot make 'Nope-v1'"),
        ({"tau": 0.1}, "tau: unknown key"),
    ],
)
def test_a_bad_experiment_is_one_line_and_status_2(tmp_path, experiment, changes, message):
    cfg = experiment(**changes)
    result = command("-cfg", cfg, "--data_dir", str(tmp_path / "data"))
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(f"error: {cfg}: {message}")
    assert not list((tmp_path / "data").glob("*"))


def test_debug_shows_the_traceback(experiment):
    result = command("-cfg", experiment(tau=1), "--debug")
    assert result.returncode == 1
    assert "Traceback" in result.stderr


def test_a_missed_expectation_is_status_1_and_none_to_check_is_an_error(tmp_path, experiment):
    status, _ = train(tmp_path, experiment(expect={"eval_return": 0}), "--check")
    assert status == 1
    with pytest.raises(UserError, match="--check needs"):
        run.main(["-cfg", experiment(expect="not yet measured"), "--check"])


def test_the_command_line_is_checked(capsys):
    for arguments in ([], ["-cfg", "a", "--resume", "b"], ["-cfg", "a", "--seed", "x"]):
        with pytest.raises(SystemExit) as error:
            run.main(arguments)
        assert error.value.code == 2
    capsys.readouterr()


def test_keyboard_interrupt_outside_training_is_quiet(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["run.py"])

    def interrupted(arguments):
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as error:
        run_main(interrupted)
    assert error.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_the_run_script_is_a_story_of_under_80_lines():
    assert len(Path("hw/scripts/run.py").read_text(encoding="utf-8").splitlines()) < 80


# --- evaluate.py ------------------------------------------------------------------------------


def test_a_run_is_evaluated_from_its_snapshot(tmp_path, experiment, capsys):
    _, run_dir = train(tmp_path, experiment())
    capsys.readouterr()
    outputs = []
    for flags in ([], [], ["--sample"], ["--snapshot", str(list_states(run_dir / "snapshots")[0])]):
        assert evaluate.main([str(run_dir), "--episodes", "3", *flags]) == 0
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]
    assert len(set(outputs)) == 3
    assert outputs[0].startswith("return -")
    assert "3 episodes" in outputs[0]


def test_an_evaluation_can_be_filmed(tmp_path, experiment, capsys):
    _, run_dir = train(tmp_path, experiment(max_episode_steps=20))
    assert evaluate.main([str(run_dir), "--episodes", "2", "--video"]) == 0
    out = capsys.readouterr().out
    videos = sorted((run_dir / "videos").glob("*.mp4"))
    assert [video.name for video in videos] == [
        "step_000000000600_seed_10000.mp4",
        "step_000000000600_seed_10001.mp4",
    ]
    assert all(str(video) in out for video in videos)


def test_an_episode_can_be_watched_in_a_window(tmp_path, experiment, monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    _, run_dir = train(tmp_path, experiment(max_episode_steps=5))
    assert evaluate.main([str(run_dir), "--episodes", "1", "--human"]) == 0


def test_evaluating_what_is_not_a_run_is_named(tmp_path, experiment):
    with pytest.raises(UserError, match="config.yaml: cannot be read"):
        evaluate.main([str(tmp_path)])
    with pytest.raises(SystemExit):
        evaluate.main([str(tmp_path), "--episodes", "0"])


def test_a_missing_optional_package_is_named_with_its_extra(tmp_path, experiment, monkeypatch):
    monkeypatch.setitem(sys.modules, "moviepy", None)
    with pytest.raises(UserError, match=r"num_render_trajectories: .* -e '.\[video\]'"):
        train(tmp_path, experiment(), "--num_render_trajectories", "1")
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UserError, match=r"tiny.yaml: use_wandb: .* -e '.\[wandb\]'"):
        train(tmp_path, experiment(use_wandb=True))
    assert not list((tmp_path / "data").glob("*"))


AT_THE_FIRST_STEP = """
import sys
from hw.infrastructure.trainer import Trainer
from hw.scripts import run

def collect(self):
    slow = ("torch._dynamo", "torch._inductor", "sympy", "matplotlib", "pandas", "ray", "moviepy")
    print([name for name in slow if name in sys.modules])
    raise KeyboardInterrupt

Trainer.collect = collect
run.main(sys.argv[1:])
"""


@pytest.mark.parametrize("algorithm", ["sac", "dqn"])
def test_what_takes_seconds_to_import_is_not_imported_before_the_first_step(
    tmp_path, experiment, algorithm
):
    arguments = ["-cfg", experiment(), "--data_dir", tmp_path]
    if algorithm == "dqn":
        arguments[1] = Path("experiments/dqn/cartpole.yaml")
    result = subprocess.run(
        [sys.executable, "-c", AT_THE_FIRST_STEP, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.stdout.splitlines()[-1] == "[]"


def test_the_scripts_can_be_started_from_any_folder(tmp_path, experiment):
    script = Path("hw/scripts/run.py").resolve()
    result = subprocess.run(
        [sys.executable, script, "-cfg", experiment(total_steps=250)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ},
    )
    assert result.returncode == 0, result.stderr
    assert list((tmp_path / "data").glob("sac_tiny_*"))
