"""Temporal-difference targets, ways to back up several values, and losses.

Shapes: B batch, K critics, A actions, n steps of an n-step target.
"""

import torch
import torch.nn.functional as F
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


def n_step_targets(
    rewards: Tensor, dones: Tensor, next_values: Tensor, num_steps: Tensor, discount: float
) -> Tensor:
    """Targets that look n steps ahead before they bootstrap.

        y = sum_{i < k} discount^i r_{t+i} + discount^k (1 - done) V(s_{t+k})

    k is n, or less where the episode ended or the data stops before.

    Args:
        rewards: (B, n), zero from step k on; a reward before that may be zero too.
        dones: (B,), booleans or 0 and 1: whether step t + k - 1 terminated the episode; a time
            limit does not.
        next_values: (B,), of the state s_{t+k} after the last step.
        num_steps: (B,), integers, k of each row, in 1 .. n.
        discount: gamma in [0, 1].

    Returns:
        targets (B,); gradient flows wherever the arguments carry it.
    Source: Sutton & Barto 2018, eq. 7.1.
    """
    powers = discount ** torch.arange(rewards.shape[1], device=rewards.device)
    returns = (rewards * powers).sum(dim=1)
    return returns + discount**num_steps * (1.0 - dones.to(rewards.dtype)) * next_values


def max_values(q_values: Tensor) -> Tensor:
    """Q-learning's value of a state, max_a Q(s, a): (B, A) -> (B,).

    Source: Mnih et al. 2015, "Human-level control through deep reinforcement learning", alg. 1.
    """
    return q_values.amax(dim=-1)


def double_q_values(q_values: Tensor, target_q_values: Tensor) -> Tensor:
    """Double Q-learning's value of a state, Q'(s, argmax_a Q(s, a)).

    One network chooses the action and the other judges it, so that an action is not preferred for
    the noise in its own estimate.

    Args:
        q_values: (B, A), of the network that chooses.
        target_q_values: (B, A), of the one that judges.

    Returns:
        (B,).
    Source: van Hasselt et al. 2016, "Deep reinforcement learning with double Q-learning", eq. 4.
    """
    best = q_values.argmax(dim=-1, keepdim=True)
    return target_q_values.gather(-1, best).squeeze(-1)


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
            Every subset is as likely as any other, whatever came before.
    Source: Chen et al. 2021, "Randomized Ensembled Double Q-Learning", algorithm 1.
    """
    subset = torch.randperm(len(q_values), device=q_values.device)[:subset_size]
    return q_values[subset].amin(dim=0, keepdim=True).expand_as(q_values)


def squared_td_loss(q_values: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """Squared TD error, averaged over the batch and summed over critics.

        L = sum_k 1/B sum_b w_b (Q_kb - y_kb)^2

    Args:
        q_values: (K, B).
        targets: (K, B), which carry no gradient.
        weights: (B,), or None for all ones.

    Returns:
        scalar; gradient flows into `q_values`.
    """
    assert q_values.shape == targets.shape, (q_values.shape, targets.shape)
    squared = (q_values - targets).square()
    return (squared if weights is None else weights * squared).mean(dim=1).sum()


def huber_td_loss(q_values: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """Huber's loss of the TD error, weighted and averaged over the batch.

        L = 1/B sum_b w_b h(Q_b - y_b),   h(e) = e^2 / 2 where |e| <= 1, else |e| - 1/2

    Its gradient is the TD error clipped to [-1, 1], so that one surprise cannot throw the network.

    Args:
        q_values, targets: (B,).
        weights: (B,) importance weights of prioritised replay, or None for all ones.

    Returns:
        scalar, divided by B, not by the sum of the weights; gradient flows into `q_values` and
        `targets`, where they carry it.
    Source: Mnih et al. 2015, methods ("error clipping").
    """
    assert q_values.shape == targets.shape, (q_values.shape, targets.shape)
    if weights is None:
        return F.huber_loss(q_values, targets)
    return (weights * F.huber_loss(q_values, targets, reduction="none")).mean()
