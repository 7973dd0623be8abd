"""Returns and advantages of collected steps, all time steps at once.

Shapes: T time, always the first axis; N envs. Every (T,) may as well be (T, N). `dones` marks
termination alone and `truncateds` a time limit, both as booleans or as 0 and 1, integers or floats.
An episode ends where either is set. Discounts are in [0, 1]. Results are of the rewards' type; the
arguments are constants, so that no gradient need flow.
"""

import torch
from torch import Tensor

from hw.agents.functional.td import td_targets


def discounted_return(
    rewards: Tensor, dones: Tensor, truncateds: Tensor, discount: float
) -> Tensor:
    """The whole discounted return of the episode that a step belongs to.

        G_t = sum_{t'=a}^{b} discount^(t' - a) r_{t'}

    where a is the first step of the episode of step t, and b its last. So every step of an episode
    gets the same number. Row 0 counts as a first step, and row T - 1 as a last one, whether or not
    the episode really begins and ends there; nothing is bootstrapped.

    Args:
        rewards, dones, truncateds: (T,).

    Returns:
        returns (T,).

    Source: Sutton & Barto 2018, eq. 3.8, at the episode's first step.
    """
    ended = _ended(dones, truncateds)
    returns_from_here = backward_recurrence(rewards, discount * (~ended).to(rewards.dtype))
    rows = torch.arange(len(rewards), device=rewards.device)
    rows = rows.reshape(-1, *[1] * (rewards.dim() - 1)).expand_as(rewards)
    begins = torch.cat([torch.ones_like(ended[:1]), ended[:-1]])
    first_rows = torch.where(begins, rows, 0).cummax(dim=0).values
    return returns_from_here.gather(0, first_rows)


def reward_to_go(
    rewards: Tensor,
    dones: Tensor,
    truncateds: Tensor,
    discount: float,
    next_values: Tensor | None = None,
) -> Tensor:
    """Discounted sum of the rewards from each step to its episode's end.

        G_t = sum_{t'=t}^{b} discount^(t' - t) r_{t'}
              + discount^(b - t + 1) (1 - done_b) V(s_{b+1})

    where b is the last step of the episode of step t: the first b >= t that is done or truncated,
    or else row T - 1, where the collection stopped. The last term stands only where `next_values`
    are given; without them nothing is counted after b. A step that is both done and truncated does
    not bootstrap.

    Args:
        rewards, dones, truncateds: (T,).
        next_values: V(s_{t+1}), (T,), of the observation that the step led to, in the same episode;
            only those of last steps that are not done matter, the others may be any finite number.

    Returns:
        returns (T,).

    Source: Sutton & Barto 2018, eq. 3.8 and 3.9; on time limits Pardo et al. 2018, "Time limits in
    reinforcement learning", section 3.
    """
    ended = _ended(dones, truncateds)
    if next_values is not None:
        is_last = torch.cat([ended[:-1], torch.ones_like(ended[-1:])])
        bootstraps = is_last & ~dones.bool()
        rewards = rewards + discount * torch.where(bootstraps, next_values, 0.0)
    return backward_recurrence(rewards, discount * (~ended).to(rewards.dtype))


def gae(
    rewards: Tensor,
    values: Tensor,
    next_values: Tensor,
    dones: Tensor,
    truncateds: Tensor,
    discount: float,
    gae_lambda: float,
) -> Tensor:
    """Generalized advantage estimation.

        delta_t = r_t + discount (1 - done_t) V(s_{t+1}) - V(s_t)
        A_t = delta_t + discount lambda (1 - ended_t) A_{t+1},    A_T = 0

    with ended_t = done_t or truncated_t. So a truncated step still bootstraps from V(s_{t+1}), but
    what comes after it belongs to another episode and is not counted. With lambda = 0 the advantage
    is the TD error; with lambda = 1, A_t + V(s_t) is the bootstrapped `reward_to_go`, if within
    episodes next_values[t] = values[t + 1].

    Args:
        rewards, dones, truncateds: (T,).
        values: V(s_t), (T,).
        next_values: V(s_{t+1}), (T,), of the observation that the step led to, in the same episode:
            where an episode ended it is not values[t + 1], and it need not be so elsewhere either.
            After a step that is done it may be any finite number.
        gae_lambda: lambda, in [0, 1].

    Returns:
        advantages (T,).

    Source: Schulman et al. 2016, "High-dimensional continuous control using generalized advantage
    estimation", eq. 16.
    """
    td_errors = td_targets(rewards, dones, next_values, discount) - values
    goes_on = (~_ended(dones, truncateds)).to(td_errors.dtype)
    return backward_recurrence(td_errors, discount * gae_lambda * goes_on)


def backward_recurrence(increments: Tensor, decays: Tensor) -> Tensor:
    """Solve y_t = x_t + d_t y_{t+1} with y_T = 0 for all t, in log2(T) tensor steps.

    Written out, y_t = x_t + d_t x_{t+1} + d_t d_{t+1} x_{t+2} + ... Let y^s_t be the sum of the
    first s terms, and D^s_t = d_t d_{t+1} ... d_{t+s-1}. Two windows of s steps make one of 2 s:

        y^1_t = x_t,    y^{2s}_t = y^s_t + D^s_t y^s_{t+s}    (no second term where t + s >= T)
        D^1_t = d_t,    D^{2s}_t = D^s_t D^s_{t+s}

    and y^s = y as soon as s >= T. A decay of 0 cuts exactly: nothing later is added. There is no
    division, so decays that multiply to almost 0 do no harm.

    Args:
        increments: x, (T, ...).
        decays: d, (T, ...), in [0, 1].

    Returns:
        y, of the shape and type of the increments.

    Source: Hillis & Steele 1986, "Data parallel algorithms" (scan by doubling); Blelloch 1990,
    "Prefix sums and their applications", section 1.4 (for recurrences).
    """
    sums, products = increments, decays.to(increments.dtype)
    window = 1
    while window < len(increments):
        # The windows that reach beyond the last step are complete, and their products unused:
        # `products` holds rows 0 .. T - window.
        longer = sums[:-window] + products[:-1] * sums[window:]
        sums = torch.cat([longer, sums[-window:]])
        products = products[:-window] * products[window:]
        window *= 2
    return sums


def normalize(advantages: Tensor) -> Tensor:
    """Shift and scale to zero mean and unit standard deviation.

        (A - mean(A)) / (std(A) + 1e-8)

    over all elements, with the unbiased standard deviation (divided by their number less one).

    Args:
        advantages: of any shape.

    Returns:
        of the same shape. All zeros if there is one element only, or if all are equal and so is
        their mean, once rounded.
    """
    if advantages.numel() < 2:
        return torch.zeros_like(advantages)
    deviations = _deviations(advantages)
    return deviations / (deviations.std() + 1e-8)


def explained_variance(values: Tensor, returns: Tensor) -> Tensor:
    """How much of the returns' variance the values explain.

        1 - Var(returns - values) / Var(returns)

    It is 1 for a perfect critic, 0 for one that always says the same, and below 0 for a worse one.

    Args:
        values, returns: of any shape, the same.

    Returns:
        scalar; nan if the returns are all equal (also if there is just one): there is nothing to
        explain then.
    """
    unexplained = _deviations(returns - values).square().mean()
    total = _deviations(returns).square().mean()
    return torch.where(total > 0, 1.0 - unexplained / total, torch.nan)


def _ended(dones: Tensor, truncateds: Tensor) -> Tensor:
    return dones.bool() | truncateds.bool()


def _deviations(numbers: Tensor) -> Tensor:
    """From their mean; exactly 0 where all are equal, of which the mean itself may be rounded."""
    from_first = numbers - numbers.flatten()[0]
    return from_first - from_first.mean()
