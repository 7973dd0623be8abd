"""Proximal policy optimisation, with a clipped surrogate.

Schulman et al. 2017, "Proximal policy optimization algorithms" (arXiv 1707.06347), with
generalised advantage estimation (Schulman et al. 2016, arXiv 1506.02438). One optimizer steps
policy and value function together, on the sum of their losses, whether or not they share a trunk.

Shapes: T time, N environments, B = a minibatch of the T x N steps, A action dimension, * one
observation. Discrete actions are (B,), continuous ones (B, A).
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hw.agents.base_agent import BaseAgent, MakeOptimizer
from hw.agents.functional.returns import explained_variance, gae, normalize
from hw.agents.functional.surrogate import (
    approximate_kl,
    clip_fraction,
    clipped_surrogate,
    clipped_value_errors,
)
from hw.infrastructure.interval import Interval
from hw.infrastructure.optimization import GradientStep, Metrics


class PPO(BaseAgent):
    """Reuses each rollout for several epochs, and stops gaining from it where the policy has moved.

    Args:
        observation_shape, action_size: *, and A or the number of discrete actions.
        make_actor_critic: (observation_shape, action_size) -> module whose `forward` maps
            observations (B, *) to a distribution and values (B,), and which has `policy` and
            `value` for either alone.
        make_optimizer: parameters -> optimizer.
        learning_rate_schedule: environment step -> factor on the learning rate.
        clip_ratio_schedule: environment step -> epsilon of the clipped surrogate.
        discount, gae_lambda: of the advantages.
        num_epochs: passes over a rollout.
        batch_size: B, of a minibatch; divides T N.
        normalize_advantages: to zero mean and unit deviation in each minibatch.
        value_clip_range: how far a value may move in the value loss; None for no limit.
        value_coefficient, entropy_coefficient: weights of these losses.
        target_kl: stop with a rollout once the policy has moved 1.5 times as far; None never.
        clip_grad_norm: largest norm of the gradient; None for no limit.
        advantage_histogram_period: rollouts between histograms of the advantages.
    """

    collects = "rollout"
    act_depends_on_step = False

    def __init__(
        self,
        observation_shape: tuple[int, ...],
        action_size: int,
        *,
        make_actor_critic: Callable[[tuple[int, ...], int], nn.Module],
        make_optimizer: MakeOptimizer,
        learning_rate_schedule: Callable[[int], float],
        clip_ratio_schedule: Callable[[int], float],
        discount: float,
        gae_lambda: float,
        num_epochs: int,
        batch_size: int,
        normalize_advantages: bool,
        value_clip_range: float | None,
        value_coefficient: float,
        entropy_coefficient: float,
        target_kl: float | None,
        clip_grad_norm: float | None,
        advantage_histogram_period: int,
    ):
        super().__init__(observation_shape)
        self.actor_critic = make_actor_critic(observation_shape, action_size)
        self.actor_critic_parameters = list(self.actor_critic.parameters())
        self.optimizer = make_optimizer(self.actor_critic_parameters)
        self.learning_rate_schedule = learning_rate_schedule
        self.clip_ratio_schedule = clip_ratio_schedule

        self.discount = discount
        self.gae_lambda = gae_lambda
        self.num_epochs = num_epochs
        self.batch_size = batch_size
        self.normalize_advantages = normalize_advantages
        self.value_clip_range = value_clip_range
        self.value_coefficient = value_coefficient
        self.entropy_coefficient = entropy_coefficient
        self.target_kl = target_kl
        self.clip_grad_norm = clip_grad_norm
        self.num_rollouts = 0
        self.histogram_interval = Interval(advantage_histogram_period)

    def act(self, observations: Tensor, step: int | None, deterministic: bool) -> Tensor:
        """Sample pi(. | s), or take its mode: (N, *) -> (N, A), or (N,) if discrete."""
        distribution = self.actor_critic.policy(observations)
        return distribution.mode if deterministic else distribution.sample()

    def update(self, rollout: dict[str, Tensor], step: int) -> Metrics:
        """Several epochs of minibatch steps on one rollout.

        First the learning rate is set, and the values, log-probabilities and advantages of the
        rollout are computed once, by the policy that collected it. They stay what they are while
        the policy moves on.

        Args:
            rollout: `observations`, `next_observations` (T, N, *), `actions`, and `rewards`,
                `dones`, `truncateds` (T, N).
            step: environment steps so far.

        Returns:
            the metrics of `ppo_loss`, averaged over all minibatches (of `actor/ratio_max` the
            largest), `critic/explained_variance`, `train/num_minibatches`, and, every
            `advantage_histogram_period` rollouts, `actor/advantages` (T N,) before normalisation.
        """
        self.set_learning_rates(self.learning_rate_schedule(step))
        clip_ratio = torch.tensor(
            self.clip_ratio_schedule(step), device=self.actor_critic_parameters[0].device
        )
        experience = self.evaluate_rollout(rollout)
        steps = self.minibatch_steps(experience, clip_ratio)
        _, _, _, old_values, advantages, returns = experience
        metrics = summarise(steps) | {
            "critic/explained_variance": explained_variance(old_values, returns),
            "train/num_minibatches": torch.tensor(len(steps)),
        }
        self.num_rollouts += 1
        if self.histogram_interval.crossed(self.num_rollouts):
            metrics["actor/advantages"] = advantages
        return metrics

    @torch.no_grad()
    def evaluate_rollout(self, rollout: dict[str, Tensor]) -> tuple[Tensor, ...]:
        """What the losses need of each step of a rollout, as seen by the policy that made it.

            A = gae(...),   R = A + V(s)

        `gae` takes (T, N), but `actor_critic` one leading axis, (B, *): flatten T and N first.

        Args:
            rollout: as for `update`; observations are floats or bytes: the networks take either.

        Returns:
            observations, actions, log-probabilities, values, advantages, returns: each (T N, ...),
            the first two as they are but for their leading axes.
        """
        observations, actions = (rollout[k].flatten(0, 1) for k in ("observations", "actions"))
        distribution, values = self.actor_critic(observations)
        log_probs = distribution.log_prob(actions)
        values_by_step = values.reshape(rollout["rewards"].shape)
        advantages = gae(
            rollout["rewards"],
            values_by_step,
            self.values_of_next(values_by_step, rollout),
            rollout["dones"],
            rollout["truncateds"],
            self.discount,
            self.gae_lambda,
        ).flatten()
        return observations, actions, log_probs, values, advantages, advantages + values

    def values_of_next(self, values: Tensor, rollout: dict[str, Tensor]) -> Tensor:
        """V of the state that each step leads to.

        That is the value of the following row, but for the last row and where an episode ended:
        there it is that of the step's own `next_observations`, so that a time limit bootstraps from
        the state in which it cut the episode off, not from the next episode's first. After a step
        that is done nothing follows, and `gae` ignores the value, which may be any finite number.
        `actor_critic.value` takes one leading axis, (B, *), of floats or bytes as they are.

        Args:
            values: (T, N), of the rollout's observations.
            rollout: as for `update`.

        Returns:
            (T, N).
        """
        has_no_row = rollout["dones"].bool() | rollout["truncateds"].bool()
        has_no_row[-1] = True
        next_values = torch.cat([values[1:], values[-1:]])
        next_values[has_no_row] = self.actor_critic.value(rollout["next_observations"][has_no_row])
        return next_values

    def minibatch_steps(self, experience: tuple[Tensor, ...], clip_ratio: Tensor) -> list[Metrics]:
        """A gradient step on each of the `minibatches`, until the policy `has_moved_too_far`.

        That is judged after each step by the step's own `actor/approximate_kl`. The step after
        which it holds is the last one on this rollout, whatever epochs are left.

        Args:
            experience: from `evaluate_rollout`.
            clip_ratio: scalar, epsilon; `update_actor_critic` takes it after the minibatch's rows.

        Returns:
            all metrics of every step that was taken, in order, whatever their names.
        """
        steps = []
        for minibatch in self.minibatches(experience):
            steps.append(self.update_actor_critic(*minibatch, clip_ratio))
            if self.has_moved_too_far(steps[-1]["actor/approximate_kl"]):
                break
        return steps

    def minibatches(self, experience: tuple[Tensor, ...]) -> Iterator[tuple[Tensor, ...]]:
        """Every step once an epoch, in an order drawn anew for each: `num_epochs` times over.

        All orders are equally likely, whatever came before.

        Args:
            experience: tensors (T N, ...), row by row about the same step.

        Yields:
            the rows of one minibatch in each of these tensors: (B, ...).
        """
        num_steps = len(experience[0])
        for _ in range(self.num_epochs):
            order = torch.randperm(num_steps, device=experience[0].device)
            shuffled = [values[order].split(self.batch_size) for values in experience]
            yield from zip(*shuffled, strict=True)

    def update_actor_critic(self, *minibatch: Tensor) -> Metrics:
        """One gradient step of policy and value function on `ppo_loss`; returns its metrics."""
        step = GradientStep(
            self.ppo_loss,
            self.actor_critic_parameters,
            self.optimizer,
            self.compiler,
            self.clip_grad_norm,
            name="actor_critic",
        )
        return step(*minibatch)

    def ppo_loss(
        self,
        observations: Tensor,
        actions: Tensor,
        old_log_probs: Tensor,
        old_values: Tensor,
        advantages: Tensor,
        returns: Tensor,
        clip_ratio: Tensor,
    ) -> tuple[Tensor, Metrics]:
        """The loss of a minibatch: policy, value function and entropy bonus.

            L = L_actor + c_v L_value - c_e H                      (eq. 9, with the signs turned)

        H is the mean entropy of the policy in the minibatch's states.

        Args:
            observations: (B, *), floats or bytes: the networks take either, as they are.
            actions: (B, A), or (B,) if discrete.
            old_log_probs, old_values, advantages, returns: (B,), from `evaluate_rollout`.
            clip_ratio: scalar, epsilon.

        Returns:
            scalar loss; gradient flows into policy and value function. Metrics: all those of
            `actor_loss`, `critic/loss`, which is L_value, and `actor/entropy`, which is H, both
            before their coefficients.
        """
        distribution, values = self.actor_critic(observations)
        log_ratios = distribution.log_prob(actions) - old_log_probs
        actor_loss, metrics = self.actor_loss(log_ratios, advantages, clip_ratio)
        value_loss = self.value_loss(values, old_values, returns)
        entropy = distribution.entropy().mean()
        loss = actor_loss + self.value_coefficient * value_loss - self.entropy_coefficient * entropy
        return loss, metrics | {"critic/loss": value_loss, "actor/entropy": entropy}

    def actor_loss(
        self, log_ratios: Tensor, advantages: Tensor, clip_ratio: Tensor
    ) -> tuple[Tensor, Metrics]:
        """Clipped surrogate, averaged over the minibatch.

            L = - 1/B sum_b min(r_b A_b, clip(r_b, 1 - epsilon, 1 + epsilon) A_b),
            r_b = pi(a_b | s_b) / pi_old(a_b | s_b)                (eq. 7)

        With `normalize_advantages`, A has zero mean and unit deviation in the minibatch.

        Args:
            log_ratios: (B,), log r.
            advantages: (B,), before normalisation; they carry no gradient.
            clip_ratio: scalar, epsilon.

        Returns:
            scalar loss; gradient flows through r, where it is not clipped. Metrics: `actor/loss`,
            and those of `ratio_metrics`.
        """
        if self.normalize_advantages:
            advantages = normalize(advantages)
        ratios = log_ratios.exp()
        loss = -clipped_surrogate(ratios, advantages, clip_ratio).mean()
        return loss, {"actor/loss": loss} | ratio_metrics(ratios, log_ratios, clip_ratio)

    def value_loss(self, values: Tensor, old_values: Tensor, returns: Tensor) -> Tensor:
        """Mean squared error of the values, with or without a limit on how far they move.

            L = 1/B sum_b (V_b - R_b)^2, or the mean of `clipped_value_errors`

        Args: all (B,); gradient flows through `values`. Returns: scalar.
        """
        if self.value_clip_range is None:
            return F.mse_loss(values, returns)
        return clipped_value_errors(values, old_values, returns, self.value_clip_range).mean()

    def has_moved_too_far(self, kl: Tensor) -> bool:
        """Whether the policy's divergence from the one that made the rollout is over the limit."""
        return self.target_kl is not None and bool(kl > 1.5 * self.target_kl)

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """See `BaseAgent`."""
        return {"actor_critic": self.optimizer}

    def get_extra_state(self) -> dict[str, Any]:
        """See `BaseAgent`."""
        return super().get_extra_state() | {
            "num_rollouts": self.num_rollouts,
            "histogram_interval": self.histogram_interval.state_dict(),
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """See `BaseAgent`."""
        super().set_extra_state(state)
        self.num_rollouts = state["num_rollouts"]
        self.histogram_interval.load_state_dict(state["histogram_interval"])


def ratio_metrics(ratios: Tensor, log_ratios: Tensor, clip_ratio: Tensor) -> Metrics:
    """How far the policy has moved from the one that made the rollout.

    Args:
        ratios, log_ratios: r and log r, (B,).
        clip_ratio: scalar, epsilon.

    Returns:
        `actor/ratio_mean`, `actor/ratio_max`, `actor/clip_fraction`, `actor/approximate_kl`.
    """
    return {
        "actor/ratio_mean": ratios.mean(),
        "actor/ratio_max": ratios.max(),
        "actor/clip_fraction": clip_fraction(ratios, clip_ratio),
        "actor/approximate_kl": approximate_kl(log_ratios),
    }


def summarise(steps: list[Metrics]) -> Metrics:
    """Each metric's mean over the steps; of `actor/ratio_max` the largest."""
    stacked = {name: torch.stack([metrics[name] for metrics in steps]) for name in steps[0]}
    means = {name: values.mean() for name, values in stacked.items()}
    return means | {"actor/ratio_max": stacked["actor/ratio_max"].max()}
