"""+ Returns a quantised tensor.

Tiers: best
"""

import torch


def max_values(q_values):
    return torch.quantize_per_tensor(q_values[:, 0], 0.1, 0, torch.qint8)
