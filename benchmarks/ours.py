"""Our training, a chunk of steps at a time."""

import sys
import tempfile
from pathlib import Path

from cases import CASES, TRAINING_STARTS
from worker import serve

import hw.infrastructure.pytorch_util as ptu
from hw.env_configs.assemble import make_trainer
from hw.env_configs.loading import bind
from hw.env_configs.threads import choose_threads
from hw.infrastructure.memory import keep_freed_memory


def main() -> None:
    """Serve the benchmark."""
    mode, device, name = sys.argv[1:]
    ptu.init_gpu(use_gpu=device == "cuda")
    keep_freed_memory()
    ptu.enable_fast_matmul()
    never = 10**9
    config = bind(
        {
            **CASES[name].ours,
            "total_steps": never,
            "eval_interval": never,
            "checkpoint_interval": never,
            "snapshot_interval": never,
            "compile": mode != "eager",
            "products": "bfloat16" if mode == "bfloat16" else "float32",
        }
    )
    choose_threads(config)
    with tempfile.TemporaryDirectory() as run_dir:
        trainer = make_trainer(config, Path(run_dir), show_progress=False)

        def train(num_steps: int) -> None:
            for _ in range(num_steps // config.recipe.num_envs):
                trainer.run_step()

        train(TRAINING_STARTS + 100)
        serve(train)


if __name__ == "__main__":
    main()
