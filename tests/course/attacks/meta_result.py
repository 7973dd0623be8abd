"""+ Returns a tensor without contents.

Tiers: best
"""

import torch


def max_values(q_values):
    return torch.empty(len(q_values), device="meta")
