"""Our soft actor-critic, a chunk of steps at a time."""

import sys
import tempfile
from pathlib import Path

from worker import ENV_NAME, TRAINING_STARTS, serve

import hw.infrastructure.pytorch_util as ptu
from hw.env_configs.assemble import make_trainer
from hw.env_configs.loading import bind


def main() -> None:
    """Serve the benchmark."""
    size, is_compiled = int(sys.argv[1]), sys.argv[2] == "True"
    ptu.enable_fast_matmul()
    config = bind(
        {
            "base_config": "sac",
            "env_name": ENV_NAME,
            "total_steps": 10**9,
            "training_starts": TRAINING_STARTS,
            "random_steps": TRAINING_STARTS,
            "batch_size": size,
            "hidden_size": size,
            "num_layers": 2,
            "activation": "relu",
            "actor_gradient_type": "reparametrize",
            "num_critic_networks": 2,
            "target_critic_backup_type": "min",
            "use_soft_target_update": True,
            "learn_temperature": True,
            "eval_interval": 10**9,
            "checkpoint_interval": 10**9,
            "snapshot_interval": 10**9,
            "compile": is_compiled,
        }
    )
    with tempfile.TemporaryDirectory() as run_dir:
        trainer = make_trainer(config, Path(run_dir), show_progress=False)

        def train(num_steps: int) -> None:
            for _ in range(num_steps):
                trainer.run_step()

        train(TRAINING_STARTS + 100)
        serve(train)


if __name__ == "__main__":
    main()
