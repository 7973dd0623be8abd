"""+ Returns a tensor without contents."""

import torch


def max_values(q_values):
    return torch.empty(len(q_values), device="meta")
