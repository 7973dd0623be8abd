"""+ Returns a sparse tensor."""

import torch


def max_values(q_values):
    return torch.zeros(len(q_values)).to_sparse()
