"""Variance reduction for score-function (REINFORCE) gradients. Shapes: S samples, B batch."""

from torch import Tensor


def leave_one_out_advantages(values: Tensor) -> Tensor:
    """Each sample's value, less the mean of the other samples' for the same state.

        A_s = V_s - 1/(S - 1) sum_{r != s} V_r

    The other samples do not depend on the sample's own action, so the score-function gradient stays
    unbiased, and what all actions of a state have in common no longer adds noise to it. A single
    sample has no others, and is left as it is.

    Args:
        values: (S, B).

    Returns:
        advantages (S, B).

    Source: Kool et al. 2019, "Buy 4 REINFORCE samples, get a baseline for free!".
    """
    num_samples = len(values)
    if num_samples == 1:
        return values
    mean_of_others = (values.sum(dim=0, keepdim=True) - values) / (num_samples - 1)
    return values - mean_of_others
