"""A Ray cluster runs the same trials to the same bits, and loses none with a node."""

import subprocess
import sys

import pytest

pytest.importorskip("ray")


def test_a_study_on_ray_has_the_metrics_of_one_on_this_machine(
    sweep_file, make_study, run_all, metrics, tmp_path
):
    path = sweep_file()
    here = make_study(path, "here")
    here.create()
    run_all(here)
    command = [
        *(sys.executable, "hw/scripts/sweep.py", "-cfg", str(path), "--backend", "ray"),
        *("--jobs", "2", "--data_dir", str(tmp_path), "--debug"),
    ]
    subprocess.run(command, check=True, timeout=300)
    there = make_study(path, "tiny")
    there.load()
    found = metrics(there)
    assert len(found) == 2
    # The kernels were chosen by each study for itself; where they agree, so do all bits.
    assert there.numerics.cpu == here.numerics.cpu
    if there.numerics == here.numerics:
        assert found == metrics(here)
