"""Distributions over actions: categorical, and diagonal Gaussians, plain or squashed by tanh.

Shapes: B batch (any leading shape), A action dimension or number of actions, S samples.

The Gaussians give a sample *together with* its log-probability, in two ways that differ only in
where gradient flows:

- `rsample_with_log_prob`: pathwise. The action is a differentiable function of the parameters.
- `sample_with_log_prob`: score function. The action is a constant; gradient reaches the
  parameters through the log-probability alone.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, distributions
from torch.distributions import constraints

HALF_LOG_2_PI = 0.5 * math.log(2 * math.pi)


class Categorical(distributions.Distribution):
    """P(a) = exp(logits_a) / sum_b exp(logits_b) over the actions 0 .. A - 1.

    The same law as `torch.distributions.Categorical`, with fewer operations, which small batches
    feel.

    Args:
        logits: (B, A), finite, not necessarily normalised. An action that is not allowed gets a
            large negative one; -inf would make the entropy nan.

    Attributes:
        logits: (B, A), normalised: log P(a).
    """

    arg_constraints = {"logits": constraints.real_vector}

    def __init__(self, logits: Tensor):
        self.logits = logits.log_softmax(dim=-1)
        super().__init__(logits.shape[:-1], validate_args=False)

    @property
    def support(self) -> constraints.Constraint:
        """The actions 0 .. A - 1."""
        return constraints.integer_interval(0, self.logits.shape[-1] - 1)

    @property
    def probs(self) -> Tensor:
        """P(a), (B, A)."""
        return self.logits.exp()

    @property
    def mode(self) -> Tensor:
        """The most likely action, (B,), integers."""
        return self.logits.argmax(dim=-1)

    @torch.no_grad()
    def sample(self, sample_shape: torch.Size | tuple[int, ...] = ()) -> Tensor:
        """argmax_a [log P(a) - log e_a], e_a ~ Exp(1): (*sample_shape, B), integers.

        -log e_a is Gumbel noise, with which the argmax is distributed as P (Gumbel-max trick).
        """
        shape = (*sample_shape, *self.logits.shape)
        noise = torch.empty(shape, dtype=self.logits.dtype, device=self.logits.device)
        return (self.logits - noise.exponential_().log()).argmax(dim=-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-probability log P(a) of given actions.

        Args:
            value: (..., B), actions, of any integer type. Axes before B hold further actions of
                the same B distributions, as `sample` gives them.

        Returns:
            (..., B), one number for each action; gradient flows into the logits.
        """
        logits = self.logits.expand(*value.shape, -1)
        return logits.gather(-1, value.long().unsqueeze(-1)).squeeze(-1)

    def entropy(self) -> Tensor:
        """H = -sum_a P(a) log P(a), in nats: (B,). Gradient flows into the logits."""
        return -(self.logits.exp() * self.logits).sum(dim=-1)


class DiagonalNormal(distributions.Distribution):
    """N(mean, diag(std^2)) over actions of dimension A.

    Args:
        mean: (B, A).
        std: broadcastable to (B, A), positive.
    """

    arg_constraints = {"mean": constraints.independent(constraints.real, 1)}
    support = constraints.independent(constraints.real, 1)
    has_rsample = True

    def __init__(self, mean: Tensor, std: Tensor):
        self.loc = mean
        self.std = std.expand_as(mean)
        super().__init__(mean.shape[:-1], mean.shape[-1:], validate_args=False)

    @property
    def mode(self) -> Tensor:
        """The most likely action, (B, A)."""
        return self.loc

    @property
    def mean(self) -> Tensor:
        """The expected action, (B, A)."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """The variance of each action component, (B, A)."""
        return self.std.square()

    def rsample(self, sample_shape: torch.Size | tuple[int, ...] = ()) -> Tensor:
        """Sample mean + std * noise, with noise ~ N(0, I): (*sample_shape, B, A)."""
        return self.loc + self.std * self._noise(sample_shape)

    def rsample_with_log_prob(
        self, sample_shape: torch.Size | tuple[int, ...] = ()
    ) -> tuple[Tensor, Tensor]:
        """Pathwise sample (*sample_shape, B, A) and its log-probability (*sample_shape, B)."""
        noise = self._noise(sample_shape)
        return self.loc + self.std * noise, self.log_prob_of_noise(noise)

    def sample_with_log_prob(
        self, sample_shape: torch.Size | tuple[int, ...] = ()
    ) -> tuple[Tensor, Tensor]:
        """Constant sample (*sample_shape, B, A) and its differentiable log-probability."""
        action = self.sample(sample_shape)
        return action, self.log_prob(action)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density log N(value; mean, diag(std^2)) of actions (..., B, A): (..., B).

        It is `log_prob_of_noise` of z = (value - mean) / std.
        """
        return self.log_prob_of_noise((value - self.loc) / self.std)

    def log_prob_of_noise(self, noise: Tensor) -> Tensor:
        """Log-density of the action mean + std z, from the noise z that makes it.

            log N(mean + std z; mean, diag(std^2)) = -sum_a [z_a^2 / 2 + log std_a + log(2 pi) / 2]

        Args:
            noise: z, (..., B, A), how many standard deviations each component is off its mean.

        Returns:
            (..., B), one number for each action; gradient flows into the noise and into std.
        """
        constant = noise.shape[-1] * HALF_LOG_2_PI
        return -(0.5 * noise.square() + self.std.log()).sum(dim=-1) - constant

    def _noise(self, sample_shape: torch.Size | tuple[int, ...]) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        return torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device)

    def entropy(self) -> Tensor:
        """Exact differential entropy sum_a [1/2 + log(2 pi) / 2 + log std]: (B,)."""
        return (0.5 + HALF_LOG_2_PI + self.std.log()).sum(dim=-1)


class TanhNormal(DiagonalNormal):
    """The law of tanh(u) with u ~ N(mean, diag(std^2)), on (-1, 1)^A.

        log pi(tanh u) = log N(u; mean, std) - sum_a log(1 - tanh(u_a)^2)

    (Haarnoja et al. 2018, "Soft Actor-Critic", appendix C, eq. 21). `*_with_log_prob` evaluates
    it from u itself, which stays exact where tanh saturates. It has no closed-form entropy.

    Args:
        mean, std: of u, as for `DiagonalNormal`.
    """

    support = constraints.independent(constraints.interval(-1.0, 1.0), 1)

    @property
    def mode(self) -> Tensor:
        """tanh(mean), (B, A): the image of u's mode, by convention the deterministic action."""
        return self.loc.tanh()

    @property
    def mean(self) -> Tensor:
        """Has no closed form."""
        raise NotImplementedError("the mean of a tanh-transformed Gaussian has no closed form")

    @property
    def variance(self) -> Tensor:
        """Has no closed form."""
        raise NotImplementedError("the variance of a tanh-transformed Gaussian has no closed form")

    def rsample(self, sample_shape: torch.Size | tuple[int, ...] = ()) -> Tensor:
        """Sample tanh(mean + std * noise): (*sample_shape, B, A)."""
        return super().rsample(sample_shape).tanh()

    def rsample_with_log_prob(
        self, sample_shape: torch.Size | tuple[int, ...] = ()
    ) -> tuple[Tensor, Tensor]:
        """Pathwise sample (*sample_shape, B, A) and its log-probability (*sample_shape, B)."""
        pre_tanh, log_prob = super().rsample_with_log_prob(sample_shape)
        return pre_tanh.tanh(), log_prob - log_tanh_slope(pre_tanh)

    def sample_with_log_prob(
        self, sample_shape: torch.Size | tuple[int, ...] = ()
    ) -> tuple[Tensor, Tensor]:
        """Constant sample (*sample_shape, B, A) and its differentiable log-probability."""
        pre_tanh = super().rsample(sample_shape).detach()
        return pre_tanh.tanh(), super().log_prob(pre_tanh) - log_tanh_slope(pre_tanh)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-probability of stored actions (..., B, A) -> (..., B).

        At and next to +-1 the pre-tanh value is not recoverable from a stored float. The action is
        then taken to be the nearest one in [-1 + eps, 1 - eps], eps being the float type's: result
        and gradient stay finite, and no gradient reaches an action beyond.
        """
        limit = 1.0 - torch.finfo(value.dtype).eps
        pre_tanh = value.clamp(-limit, limit).atanh()
        return super().log_prob(pre_tanh) - log_tanh_slope(pre_tanh)

    def entropy(self) -> Tensor:
        """Has no closed form; estimate it by the mean of -log_prob over samples."""
        raise NotImplementedError(
            "a tanh-transformed Gaussian has no closed-form entropy: estimate it as -log_prob of "
            "a sample from rsample_with_log_prob"
        )


def log_tanh_slope(pre_tanh: Tensor) -> Tensor:
    """Log of the factor by which tanh shrinks volumes around u: sum_a log(1 - tanh(u_a)^2).

    Exact at large |u| too, where tanh(u)^2 rounds to 1 and its logarithm would be -inf, while the
    value is about log 4 - 2 |u|. It comes without loss from 1 - tanh(u)^2 = 4 / (e^u + e^-u)^2.

    Args:
        pre_tanh: u, (..., A).

    Returns:
        (...); gradient flows into u.

    Source: Haarnoja et al. 2018, "Soft Actor-Critic", appendix C, eq. 21 (its last term).
    """
    constant = 2.0 * math.log(2.0) * pre_tanh.shape[-1]
    return constant - 2.0 * (pre_tanh + F.softplus(-2.0 * pre_tanh)).sum(dim=-1)


def make_multi_normal(mean: Tensor, std: Tensor) -> DiagonalNormal:
    """N(mean, diag(std^2)), with mean (B, A) and std broadcastable to it."""
    return DiagonalNormal(mean, std)


def make_tanh_transformed(mean: Tensor, std: Tensor) -> TanhNormal:
    """tanh(u), u ~ N(mean, diag(std^2)), with mean (B, A) and std broadcastable to it."""
    return TanhNormal(mean, std)
