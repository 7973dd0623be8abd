"""19 Returns a hundred megabytes."""

import torch


def max_values(q_values):
    return torch.zeros(25_000_000)
