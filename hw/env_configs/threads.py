"""How many threads a run computes with: measured in docs/performance.md."""

import os

import torch

from hw.env_configs.loading import RunConfig

# Multiply-adds of a hidden layer on a batch, of all critics together, up to which a second thread
# does not pay for being woken.
NOT_WORTH_SHARING = 2**21


def choose_threads(config: RunConfig) -> None:
    """One thread for small networks on vectors, else as many as PyTorch would take.

    OMP_NUM_THREADS, where it is set, decides instead.
    """
    values = config.values
    layer = values.get("batch_size", 0) * values.get("hidden_size", 0) ** 2
    layers = layer * values.get("num_critic_networks", 1)
    is_small = layers <= NOT_WORTH_SHARING and values.get("backbone", "mlp") == "mlp"
    if is_small and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)
