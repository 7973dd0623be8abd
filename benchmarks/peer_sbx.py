"""SBX's training (Stable-Baselines3 on JAX), a chunk of steps at a time. Runs where SBX is.

A worker of run.py, which starts it; not for a command line.
"""

import sys

import sbx
from cases import CASES, TRAINING_STARTS
from stable_baselines3.common.env_util import make_vec_env
from worker import serve


def main() -> None:
    """Serve the benchmark."""
    _, name = sys.argv[1:]  # it learns on the device that its JAX was built for
    case = CASES[name]
    algorithm = getattr(sbx, case.ours["base_config"].upper())
    envs = make_vec_env(case.ours["env_name"], case.ours.get("num_envs", 1))
    model = algorithm("MlpPolicy", envs, **case.theirs)
    model.learn(TRAINING_STARTS + 100)
    serve(lambda num_steps: model.learn(num_steps, reset_num_timesteps=False))


if __name__ == "__main__":
    main()
