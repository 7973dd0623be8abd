"""Policy gradients: REINFORCE, with reward-to-go, a baseline and generalised advantages as options.

Williams 1992, "Simple statistical gradient-following algorithms for connectionist reinforcement
learning" (REINFORCE); Sutton et al. 2000, "Policy gradient methods for reinforcement learning with
function approximation"; Schulman et al. 2016, "High-dimensional continuous control using
generalized advantage estimation" (arXiv 1506.02438).

Shapes: B steps, those of several whole episodes one after the other, A action dimension, * one
observation. Discrete actions are (B,), continuous ones (B, A).
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hw.agents.base_agent import BaseAgent, MakeOptimizer
from hw.agents.functional.returns import (
    discounted_return,
    explained_variance,
    gae,
    normalize,
    reward_to_go,
)
from hw.infrastructure.interval import Interval
from hw.infrastructure.optimization import GradientStep, Metrics


class PolicyGradient(BaseAgent):
    """Makes actions more likely the more return followed them.

    Args:
        observation_shape, action_size: *, and A or the number of discrete actions.
        make_actor: (observation_shape, action_size) -> policy, which maps observations (B, *) to a
            distribution.
        make_critic: observation_shape -> baseline, which maps observations (B, *) to values (B,);
            None for no baseline.
        make_actor_optimizer, make_critic_optimizer: parameters -> optimizer.
        learning_rate_schedule: environment step -> factor on every learning rate.
        discount: gamma in [0, 1].
        use_reward_to_go: credit an action with what came after it, not with the whole episode.
        gae_lambda: estimate advantages by GAE with this lambda, which needs the baseline; None
            subtracts the baseline from the returns, if there is one.
        normalize_advantages: to zero mean and unit deviation over the batch.
        num_critic_updates: the baseline's steps on each batch.
        entropy_coefficient: weight of the policy's entropy in its loss.
        clip_grad_norm: largest norm of a gradient; None for no limit.
        advantage_histogram_period: updates between histograms of the advantages.
    """

    collects = "episodes"
    act_depends_on_step = False

    def __init__(
        self,
        observation_shape: tuple[int, ...],
        action_size: int,
        *,
        make_actor: Callable[[tuple[int, ...], int], nn.Module],
        make_critic: Callable[[tuple[int, ...]], nn.Module] | None,
        make_actor_optimizer: MakeOptimizer,
        make_critic_optimizer: MakeOptimizer,
        learning_rate_schedule: Callable[[int], float],
        discount: float,
        use_reward_to_go: bool,
        gae_lambda: float | None,
        normalize_advantages: bool,
        num_critic_updates: int,
        entropy_coefficient: float,
        clip_grad_norm: float | None,
        advantage_histogram_period: int,
    ):
        super().__init__(observation_shape)
        if gae_lambda is not None and make_critic is None:
            raise ValueError("generalised advantages need a baseline")
        self.actor = make_actor(observation_shape, action_size)
        self.actor_parameters = list(self.actor.parameters())
        self.actor_optimizer = make_actor_optimizer(self.actor_parameters)
        self.critic: nn.Module | None = None
        if make_critic is not None:
            self.critic = make_critic(observation_shape)
            self.critic_parameters = list(self.critic.parameters())
            self.critic_optimizer = make_critic_optimizer(self.critic_parameters)
        self.learning_rate_schedule = learning_rate_schedule

        self.discount = discount
        self.use_reward_to_go = use_reward_to_go
        self.gae_lambda = gae_lambda
        self.normalize_advantages = normalize_advantages
        self.num_critic_updates = num_critic_updates
        self.entropy_coefficient = entropy_coefficient
        self.clip_grad_norm = clip_grad_norm
        self.num_batches = 0
        self.histogram_interval = Interval(advantage_histogram_period)

    def act(self, observations: Tensor, step: int | None, deterministic: bool) -> Tensor:
        """Sample pi(. | s), or take its mode: (N, *) -> (N, A), or (N,) if discrete."""
        distribution = self.actor(observations)
        return distribution.mode if deterministic else distribution.sample()

    def update(self, episodes: dict[str, Tensor], step: int) -> Metrics:
        """One step of the policy on whole episodes, then several of the baseline.

        The advantages are computed first, by the baseline that has not seen these episodes.

        Args:
            episodes: `observations`, `next_observations` (B, *), `actions`, and `rewards`, `dones`,
                `truncateds` (B,); the last step of each episode is done or truncated.
            step: environment steps so far.

        Returns:
            the metrics of the losses, `critic/explained_variance` of the baseline before its steps,
            and, every `advantage_histogram_period` updates, `actor/advantages` (B,) before
            normalisation.
        """
        self.set_learning_rates(self.learning_rate_schedule(step))
        observations, actions = episodes["observations"], episodes["actions"]
        advantages, returns, values = self.estimate_advantages(episodes)
        metrics = self.update_actor(
            observations,
            actions,
            normalize(advantages) if self.normalize_advantages else advantages,
        )
        if self.critic is not None:
            for _ in range(self.num_critic_updates):
                metrics |= self.update_critic(observations, returns)
            metrics["critic/explained_variance"] = explained_variance(values, returns)
        self.num_batches += 1
        if self.histogram_interval.crossed(self.num_batches):
            metrics["actor/advantages"] = advantages
        return metrics

    @torch.no_grad()
    def estimate_advantages(self, episodes: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """How much better each action turned out than the baseline expected.

            A = G                       without a baseline,
            A = G - V(s)                with one,
            A = gae(...), G = A + V(s)  with `gae_lambda`,

        where G is `estimate_returns` in the first two lines; the third ignores `use_reward_to_go`.
        V is `critic`; that of the states which the steps led to is `critic(next_observations)`.

        Args:
            episodes: as for `update`; observations are floats or bytes: the networks take either.

        Returns:
            advantages, returns G, and the baseline's values (0 without one), each (B,).
        """
        rewards, *ends = (episodes[name] for name in ("rewards", "dones", "truncateds"))
        if self.critic is None:
            returns = self.estimate_returns(rewards, *ends, None)
            return returns, returns, torch.zeros_like(returns)
        values = self.critic(episodes["observations"])
        next_values = self.critic(episodes["next_observations"])
        if self.gae_lambda is None:
            returns = self.estimate_returns(rewards, *ends, next_values)
            return returns - values, returns, values
        advantages = gae(rewards, values, next_values, *ends, self.discount, self.gae_lambda)
        return advantages, advantages + values, values

    def estimate_returns(
        self, rewards: Tensor, dones: Tensor, truncateds: Tensor, next_values: Tensor | None
    ) -> Tensor:
        """The return that an action is credited with: (B,).

        With `use_reward_to_go` what came from its step on, `reward_to_go`, which goes on past a
        time limit by the next state's value where there is a baseline. Otherwise the whole
        episode's, `discounted_return`.

        Args: rewards, dones, truncateds, next_values: (B,), or None in place of the last.
        """
        if self.use_reward_to_go:
            return reward_to_go(rewards, dones, truncateds, self.discount, next_values)
        return discounted_return(rewards, dones, truncateds, self.discount)

    def update_actor(self, observations: Tensor, actions: Tensor, advantages: Tensor) -> Metrics:
        """One gradient step of the policy on `actor_loss`; returns the loss's metrics."""
        step = GradientStep(
            self.actor_loss,
            self.actor_parameters,
            self.actor_optimizer,
            self.compiler,
            self.clip_grad_norm,
            name="actor",
        )
        return step(observations, actions, advantages)

    def actor_loss(
        self, observations: Tensor, actions: Tensor, advantages: Tensor
    ) -> tuple[Tensor, Metrics]:
        """Score-function (REINFORCE) loss, averaged over steps, less the entropy bonus.

            L = - 1/B sum_t log pi(a_t | s_t) A_t - c_e H

        Its gradient is an estimate of that of the return, up to the factor of steps an episode. H
        is the mean entropy of the policy in these states.

        Args:
            observations: (B, *), floats or bytes: the networks take either, as they are.
            actions: (B, A), or (B,) if discrete; what was done, constants (they carry no gradient).
            advantages: (B,), constants too.

        Returns:
            scalar loss; gradient flows through the log-probabilities and the entropy. Metrics:
            `actor/loss`, which is L, bonus and all, and `actor/entropy`, which is H, without its
            coefficient.

        Source: Sutton & Barto 2018, eq. 13.8.
        """
        distribution = self.actor(observations)
        log_probs = distribution.log_prob(actions)
        assert log_probs.shape == advantages.shape, (log_probs.shape, advantages.shape)
        entropy = distribution.entropy().mean()
        loss = -(log_probs * advantages).mean() - self.entropy_coefficient * entropy
        return loss, {"actor/loss": loss, "actor/entropy": entropy}

    def update_critic(self, observations: Tensor, returns: Tensor) -> Metrics:
        """One gradient step of the baseline on `critic_loss`; returns the loss's metrics."""
        step = GradientStep(
            self.critic_loss,
            self.critic_parameters,
            self.critic_optimizer,
            self.compiler,
            self.clip_grad_norm,
            name="critic",
        )
        return step(observations, returns)

    def critic_loss(self, observations: Tensor, returns: Tensor) -> tuple[Tensor, Metrics]:
        """Mean squared error of the baseline: L = 1/B sum_t (V(s_t) - G_t)^2.

        Args:
            observations: (B, *), floats or bytes: the networks take either, as they are.
            returns: G, (B,), constants (they carry no gradient).

        Returns:
            scalar loss; gradient flows into the baseline. Metrics: `critic/loss`.
        """
        values = self.critic(observations)
        assert values.shape == returns.shape, (values.shape, returns.shape)
        loss = F.mse_loss(values, returns)
        return loss, {"critic/loss": loss}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """See `BaseAgent`."""
        optimizers = {"actor": self.actor_optimizer}
        return optimizers if self.critic is None else optimizers | {"critic": self.critic_optimizer}

    def get_extra_state(self) -> dict[str, Any]:
        """See `BaseAgent`."""
        return super().get_extra_state() | {
            "num_batches": self.num_batches,
            "histogram_interval": self.histogram_interval.state_dict(),
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """See `BaseAgent`."""
        super().set_extra_state(state)
        self.num_batches = state["num_batches"]
        self.histogram_interval.load_state_dict(state["histogram_interval"])
