"""A study on a cluster of two nodes, one of which is killed: no trial is lost, none runs twice."""

import subprocess
import sys
import time

import pytest
import yaml

from hw.studies.study import Study
from hw.studies.sweep_file import load_sweep
from hw.studies.trial import read_outcome

pytestmark = pytest.mark.slow
ray = pytest.importorskip("ray")

SWEEP = {
    "base": {
        "base_config": "ppo",
        "env_name": "CartPole-v1",
        "total_steps": 16_384,
        "num_envs": 8,
        "rollout_length": 32,
        "checkpoint_interval": 1000,
        "eval_interval": 16_384,
        "num_eval_trajectories": 1,
    },
    "grid": {"learning_rate": [0.001, 0.0003]},
    "seeds": [1, 2, 3],
}


def test_a_node_that_is_killed_takes_no_trial_with_it(tmp_path, monkeypatch):
    from ray.cluster_utils import Cluster

    # Ray's workers would wait for everything else that this machine does.
    monkeypatch.setenv("RAY_worker_niceness", "0")
    path = tmp_path / "cluster.yaml"
    path.write_text(yaml.safe_dump(SWEEP), encoding="utf-8")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        doomed = cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        command = [
            *(sys.executable, "hw/scripts/sweep.py", "-cfg", str(path), "--backend", "ray"),
            *("--address", cluster.address, "--data_dir", str(tmp_path), "--debug"),
        ]
        sweep = subprocess.Popen(command)
        directory = tmp_path / "cluster"
        wait_until(lambda: len(list(directory.glob("runs/*/checkpoints"))) >= 2)
        cluster.remove_node(doomed, allow_graceful=False)
        assert sweep.wait(timeout=1200) == 0
    finally:
        cluster.shutdown()

    content, base = load_sweep(path)
    study = Study(directory, content, base, None)
    study.load()
    outcomes = [read_outcome(trial) for trial in study.trials()]
    assert [outcome.status for outcome in outcomes] == ["finished"] * 6
    assert {outcome.steps for outcome in outcomes} == {16_384}
    sessions = [
        (trial.run_dir / "config.yaml").read_text(encoding="utf-8").count("command:")
        for trial in study.trials()
    ]
    assert sorted(sessions) == [1, 1, 1, 1, 1, 2]  # one was taken up from its checkpoint


def wait_until(condition, seconds=600):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)
