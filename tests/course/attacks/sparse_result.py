"""+ Returns a sparse tensor.

Tiers: best
"""

import torch


def max_values(q_values):
    return torch.zeros(len(q_values)).to_sparse()
