"""A sweep that takes a second a trial."""

import json

import pytest
import yaml

from hw.infrastructure.graceful_stop import GracefulStop
from hw.studies.local_backend import LocalBackend
from hw.studies.machine import Numerics, cpu_model
from hw.studies.progress import Progress
from hw.studies.study import Study, run_study
from hw.studies.sweep_file import load_sweep

TINY = {
    "base": {
        "base_config": "ppo",
        "env_name": "CartPole-v1",
        "total_steps": 256,
        "num_envs": 2,
        "rollout_length": 32,
        "batch_size": 64,
        "num_epochs": 1,
        "hidden_size": 4,
        "eval_interval": 128,
        "num_eval_trajectories": 1,
        "log_interval": 64,
        "checkpoint_interval": 64,
    },
    "grid": {"learning_rate": [0.001, 0.01]},
}
NUMERICS = Numerics(1, use_gpu=False, matmul_precision="ieee", cpu=cpu_model())


@pytest.fixture
def sweep_file(tmp_path):
    """Write a tiny sweep, with changes; None takes a key out."""

    def write(**changes):
        content = {key: v for key, v in (TINY | changes).items() if v is not None}
        path = tmp_path / "tiny.yaml"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return path

    return write


@pytest.fixture
def make_study(tmp_path):
    """The study of a sweep's file, not yet created."""

    def make(path, name="study"):
        sweep, base = load_sweep(path)
        return Study(tmp_path / name, sweep, base, NUMERICS)

    return make


@pytest.fixture
def run_all():
    """Run a study that exists on this machine to its end."""

    def run(study, backend=None):
        progress = Progress(study.num_trials, 0, is_drawn=False)
        backend = backend or LocalBackend(2)
        assert run_study(study, backend, GracefulStop(), progress)
        return progress

    return run


@pytest.fixture
def metrics():
    """What each run of a study has logged, but for times."""

    def read(study):
        return {
            path.parent.name: [
                {k: v for k, v in json.loads(row).items() if not k.startswith("time/")}
                for row in path.read_text(encoding="utf-8").splitlines()
            ]
            for path in study.directory.glob("runs/*/metrics.jsonl")
        }

    return read
