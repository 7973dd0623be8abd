"""Stable-Baselines3's soft actor-critic, a chunk of steps at a time."""

import sys

import gymnasium
from stable_baselines3 import SAC
from worker import ENV_NAME, TRAINING_STARTS, serve


def main() -> None:
    """Serve the benchmark."""
    size = int(sys.argv[1])
    model = SAC(
        "MlpPolicy",
        gymnasium.make(ENV_NAME),
        batch_size=size,
        learning_starts=TRAINING_STARTS,
        policy_kwargs={"net_arch": [size, size]},
        device="cpu",
    )
    model.learn(TRAINING_STARTS + 100)
    serve(lambda num_steps: model.learn(num_steps, reset_num_timesteps=False))


if __name__ == "__main__":
    main()
