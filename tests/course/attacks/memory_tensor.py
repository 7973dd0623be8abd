"""17 Asks for four gigabytes at once."""

import torch


def max_values(q_values):
    return torch.ones(2**30)
