"""Temporal-difference targets and ways to back up several critics. Shapes: B batch, K critics."""

import torch
from torch import Tensor


def td_targets(rewards: Tensor, dones: Tensor, next_values: Tensor, discount: float) -> Tensor:
    """One-step bootstrapped target y = r + discount (1 - done) V(s').

    Args:
        rewards, dones: (B,). `dones` marks termination alone, as booleans or as 0 and 1: a step
            that a time limit cut off still bootstraps.
        next_values: (B,) or (K, B).

    Returns:
        targets of the shape of `next_values`; gradient flows wherever the arguments carry it.
    Source: Sutton & Barto 2018, eq. 6.2.
    """
    return rewards + discount * (1.0 - dones.to(rewards.dtype)) * next_values


def mean_backup(q_values: Tensor) -> Tensor:
    """Every critic is trained on the mean of all: (K, B) -> (K, B). With one critic, on itself."""
    return q_values.mean(dim=0, keepdim=True).expand_as(q_values)


def min_backup(q_values: Tensor) -> Tensor:
    """Clipped double-Q: every critic is trained on the smallest of all: (K, B) -> (K, B).

    Source: Fujimoto et al. 2018, "Addressing function approximation error in actor-critic
    methods" (TD3), eq. 10.
    """
    return q_values.amin(dim=0, keepdim=True).expand_as(q_values)


def double_q_backup(q_values: Tensor) -> Tensor:
    """Double-Q: critic k is trained on critic k + 1, the last one on the first: (K, B) -> (K, B).

    With two critics each is trained on the other; with one, on itself.
    Source: van Hasselt 2010, "Double Q-learning".
    """
    return q_values.roll(-1, dims=0)


def random_subset_min_backup(q_values: Tensor, subset_size: int) -> Tensor:
    """REDQ: every critic is trained on the smallest of a random subset: (K, B) -> (K, B).

    Args:
        subset_size: M of the K critics, drawn without replacement, the same for the whole batch.
    Source: Chen et al. 2021, "Randomized Ensembled Double Q-Learning", algorithm 1.
    """
    subset = torch.randperm(len(q_values), device=q_values.device)[:subset_size]
    return q_values[subset].amin(dim=0, keepdim=True).expand_as(q_values)
