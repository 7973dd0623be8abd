"""The clipped objectives of proximal policy optimization, and what to watch. Shapes: B batch.

The ratio of a step is r = pi_new(a | s) / pi_old(a | s), where pi_old is the policy that acted.
"""

import torch
from torch import Tensor


def clipped_surrogate(ratios: Tensor, advantages: Tensor, clip_ratio: float | Tensor) -> Tensor:
    """PPO's objective of each step, to be maximised.

        L = min(r A, clip(r, 1 - eps, 1 + eps) A)

    Once the ratio has left [1 - eps, 1 + eps] in the direction that the advantage favours (r > 1 +
    eps with A > 0, r < 1 - eps with A < 0), the objective is constant and its gradient zero. On the
    other side it is r A, unclipped, so that a step that went wrong is always drawn back.

    Args:
        ratios: r, (B,).
        advantages: A, (B,).
        clip_ratio: eps, a number or a 0-d tensor.

    Returns:
        objectives (B,); gradient flows into the ratios as said. The advantages are constants.

    Source: Schulman et al. 2017, "Proximal policy optimization algorithms", eq. 7.
    """
    clipped_ratios = ratios.clamp(1.0 - clip_ratio, 1.0 + clip_ratio)
    return torch.minimum(ratios * advantages, clipped_ratios * advantages)


def clipped_value_errors(
    values: Tensor, old_values: Tensor, returns: Tensor, clip_range: float | Tensor
) -> Tensor:
    """Squared error of each value, which gains nothing from moving far from the old one.

        max((V - R)^2, (V_old + clip(V - V_old, -range, range) - R)^2)

    The larger of the two counts: where V has moved by more than the range, the gradient is zero as
    long as the clipped value's error is the larger; past R by enough, or away from it, the error is
    the plain one.

    Args:
        values: V, (B,).
        old_values: V_old, (B,), of the critic that collected the steps; without gradient.
        returns: R, (B,), what the values are to predict; without gradient.
        clip_range: in units of the value, a number or a 0-d tensor.

    Returns:
        errors (B,), without a factor 1/2; gradient flows into the values as said.

    Source: the reference implementation of PPO (OpenAI Baselines, ppo2); Engstrom et al. 2020,
    "Implementation matters in deep policy gradients", section 3, item 1.
    """
    clipped_values = old_values + (values - old_values).clamp(-clip_range, clip_range)
    return torch.maximum((values - returns).square(), (clipped_values - returns).square())


def approximate_kl(log_ratios: Tensor) -> Tensor:
    """Estimate of KL(pi_old || pi_new) from actions of pi_old.

        mean((r - 1) - log r),    r = exp(log_ratios)

    It is unbiased, as E_old[r] = 1, and no term is negative, which keeps its variance small.

    Args:
        log_ratios: log r = log pi_new(a | s) - log pi_old(a | s), (B,).

    Returns:
        scalar, at least 0 but for rounding; a metric, which needs no gradient.

    Source: Schulman 2020, "Approximating KL divergence", estimator k3.
    """
    return (log_ratios.expm1() - log_ratios).mean()


def clip_fraction(ratios: Tensor, clip_ratio: float | Tensor) -> Tensor:
    """The share of steps with a ratio outside [1 - eps, 1 + eps]: mean of [|r - 1| > eps].

    Args:
        ratios: r, (B,).
        clip_ratio: eps, a number or a 0-d tensor.

    Returns:
        scalar in [0, 1], of the ratios' type, without gradient.
    """
    return ((ratios - 1.0).abs() > clip_ratio).to(ratios.dtype).mean()
