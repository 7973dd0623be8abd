"""19 Returns 32 megabytes.

Tiers: best
"""

import torch


def max_values(q_values):
    return torch.zeros(8_000_000)
