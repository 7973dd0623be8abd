"""Runs that are killed again and again end as if they had been left in peace.

The long version is `python tests/resume/kill_and_resume.py --kills 50`.
"""

import os
import re
import subprocess
import sys

import pytest

QUICK = (
    "sac_pendulum",
    "sac_halfcheetah",
    "td3_hopper",
    "dqn_prioritized",
    "ppo_cartpole",
    "reinforce_cartpole",
)
SLOW = ("ppo_pong", "sac_pendulum_compiled", "ppo_cartpole_compiled")


@pytest.mark.parametrize(
    "case", [*QUICK, *(pytest.param(case, marks=pytest.mark.slow) for case in SLOW)]
)
def test_three_kills_change_nothing(tmp_path, case):
    if case == "ppo_pong":
        pytest.importorskip("ale_py")
    result = subprocess.run(
        [sys.executable, "tests/resume/kill_and_resume.py", "--kills", "3", "--only", case],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        env={**os.environ, "TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1"},
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.match(rf"{case}: 3 kills .* no difference\n", result.stdout)
