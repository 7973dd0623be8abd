"""Soft actor-critic.

Haarnoja et al. 2018a, "Soft Actor-Critic: Off-Policy Maximum Entropy Deep Reinforcement Learning
with a Stochastic Actor" (arXiv 1801.01290), without its separate state-value network, as in
Haarnoja et al. 2018b, "Soft Actor-Critic Algorithms and Applications" (arXiv 1812.05905), whose
equation numbers are cited. Actions are in [-1, 1]^A; the environment rescales them.

Shapes: B batch, K critics, S action samples, A action dimension, * one observation.
"""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

import hw.infrastructure.pytorch_util as ptu
from hw.agents.base_agent import BaseAgent, MakeOptimizer
from hw.agents.functional.score_function import leave_one_out_advantages
from hw.agents.functional.td import (
    double_q_backup,
    mean_backup,
    min_backup,
    random_subset_min_backup,
    squared_td_loss,
    td_targets,
)
from hw.infrastructure.distributions import DiagonalNormal
from hw.infrastructure.interval import Interval
from hw.infrastructure.optimization import (
    GradientStep,
    Metrics,
    WholeUpdate,
    freeze,
    hard_update,
    soft_update,
)


class SoftActorCritic(BaseAgent):
    """Learns a stochastic policy that maximises reward plus `temperature` times its entropy.

    Args:
        observation_shape, action_dim: *, A.
        make_actor: (observation_shape, action_dim) -> policy, which maps observations (B, *) to a
            distribution with `sample_with_log_prob` and `rsample_with_log_prob`.
        make_critic: (observation_shape, action_dim, K) -> critics, which map observations (B, *)
            and actions (B, A) to Q-values (K, B).
        make_actor_optimizer, make_critic_optimizer, make_temperature_optimizer: parameters ->
            optimizer.
        learning_rate_schedule: environment step -> factor on every learning rate.
        discount: gamma in [0, 1].
        num_critic_networks: K.
        num_critic_updates: critic steps on each batch.
        target_critic_backup_type: how K target values become the K targets, see `td.py`.
        redq_subset_size: M of the `redq` backup.
        target_update_period: environment steps between hard updates of the target critics.
        soft_target_update_rate: tau of a soft update after each update; excludes the period.
        actor_gradient_type: score function (`reinforce`) or pathwise (`reparametrize`).
        num_actor_samples: S, for `reinforce`.
        use_entropy_bonus: add the temperature-weighted entropy to the actor's objective.
        backup_entropy: add it to the critics' targets as well.
        temperature: alpha, or its initial value if it is learned.
        learn_temperature: adjust it so that the policy's entropy meets `target_entropy`.
        target_entropy: in nats.
        clip_grad_norm: largest norm of the actor's and of the critics' gradient; None for no limit.
    """

    collects = "transitions"
    act_depends_on_step = False

    def __init__(
        self,
        observation_shape: tuple[int, ...],
        action_dim: int,
        *,
        make_actor: Callable[[tuple[int, ...], int], nn.Module],
        make_critic: Callable[[tuple[int, ...], int, int], nn.Module],
        make_actor_optimizer: MakeOptimizer,
        make_critic_optimizer: MakeOptimizer,
        make_temperature_optimizer: MakeOptimizer,
        learning_rate_schedule: Callable[[int], float],
        discount: float,
        num_critic_networks: int,
        num_critic_updates: int,
        target_critic_backup_type: Literal["mean", "min", "doubleq", "redq"],
        redq_subset_size: int,
        target_update_period: int | None,
        soft_target_update_rate: float | None,
        actor_gradient_type: Literal["reinforce", "reparametrize"],
        num_actor_samples: int,
        use_entropy_bonus: bool,
        backup_entropy: bool,
        temperature: float,
        learn_temperature: bool,
        target_entropy: float,
        clip_grad_norm: float | None,
    ):
        super().__init__(observation_shape)
        if (target_update_period is None) == (soft_target_update_rate is None):
            raise ValueError("give either target_update_period or soft_target_update_rate")
        self.actor = make_actor(observation_shape, action_dim)
        self.critics = make_critic(observation_shape, action_dim, num_critic_networks)
        self.target_critics = freeze(copy.deepcopy(self.critics))
        self.log_temperature = nn.Parameter(ptu.from_numpy(np.float32(temperature)).log())

        self.actor_parameters = list(self.actor.parameters())
        self.critic_parameters = list(self.critics.parameters())
        self.target_critic_parameters = list(self.target_critics.parameters())
        self.actor_optimizer = make_actor_optimizer(self.actor_parameters)
        self.critic_optimizer = make_critic_optimizer(self.critic_parameters)
        self.temperature_parameters = [self.log_temperature]
        self.temperature_optimizer = make_temperature_optimizer(self.temperature_parameters)
        self.active_optimizers = [self.critic_optimizer, self.actor_optimizer]
        if learn_temperature:
            self.active_optimizers.append(self.temperature_optimizer)
        self.learning_rate_schedule = learning_rate_schedule

        self.discount = discount
        self.num_critic_updates = num_critic_updates
        self.target_update_interval = Interval(target_update_period)
        self.soft_target_update_rate = soft_target_update_rate
        self.num_actor_samples = num_actor_samples
        self.use_entropy_bonus = use_entropy_bonus
        self.backup_entropy = backup_entropy
        self.learn_temperature = learn_temperature
        self.target_entropy = target_entropy
        self.clip_grad_norm = clip_grad_norm

        self.actor_loss = {
            "reinforce": self.actor_loss_reinforce,
            "reparametrize": self.actor_loss_reparametrize,
        }[actor_gradient_type]
        self.backup = {
            "mean": mean_backup,
            "min": min_backup,
            "doubleq": double_q_backup,
            "redq": partial(random_subset_min_backup, subset_size=redq_subset_size),
        }[target_critic_backup_type]
        self.is_pessimistic = target_critic_backup_type == "min"

    @property
    def temperature(self) -> Tensor:
        """alpha, a scalar without gradient."""
        return self.log_temperature.detach().exp()

    def act(self, observations: Tensor, step: int | None, deterministic: bool) -> Tensor:
        """Sample pi(. | s), or take its mode: (N, *) -> (N, A)."""
        distribution = self.actor(observations)
        return distribution.mode if deterministic else distribution.sample()

    def update(
        self,
        observations: Tensor,
        actions: Tensor,
        rewards: Tensor,
        next_observations: Tensor,
        dones: Tensor,
        step: int,
        weights: Tensor | None = None,
    ) -> Metrics:
        """Critics, then actor, then temperature, then target critics, on one batch.

        First every learning rate is set to its schedule's value at this step. The critics take
        `num_critic_updates` steps, each towards targets of its own; the temperature, if learned,
        takes one, on the entropy that the actor's loss has estimated. The target critics follow
        after each call (soft), or when the step crosses a multiple of the period (hard).

        Args:
            observations, next_observations: (B, *).
            actions: (B, A).
            rewards, dones: (B,).
            step: environment steps so far.
            weights: (B,) importance weights, or None.

        Returns:
            the metrics of the last critic step, of the actor's and of the temperature's, and
            `temperature/value`.
        """
        self.set_learning_rates(self.learning_rate_schedule(step))
        step_all = WholeUpdate(
            self.update_networks,
            self.active_optimizers,
            self.target_critic_parameters,
            self.compiler,
        )
        metrics = step_all(observations, actions, rewards, next_observations, dones, weights)
        if self.target_update_interval.crossed(step):
            self.update_target_critic()
        return metrics

    def update_networks(
        self,
        observations: Tensor,
        actions: Tensor,
        rewards: Tensor,
        next_observations: Tensor,
        dones: Tensor,
        weights: Tensor | None,
    ) -> Metrics:
        """What an update does at every step: all but the learning rates and the hard update.

        Arguments as for `update`. Returns its metrics.
        """
        metrics: Metrics = {}
        for _ in range(self.num_critic_updates):
            metrics |= self.update_critic(
                observations, actions, rewards, next_observations, dones, weights
            )
        metrics |= self.update_actor(observations)
        if self.learn_temperature:
            metrics |= self.update_temperature(metrics["actor/entropy"])
        if self.soft_target_update_rate is not None:
            self.soft_update_target_critic()
        return metrics | {"temperature/value": self.temperature}

    def update_critic(
        self,
        observations: Tensor,
        actions: Tensor,
        rewards: Tensor,
        next_observations: Tensor,
        dones: Tensor,
        weights: Tensor | None = None,
    ) -> Metrics:
        """One gradient step of all critics towards the Bellman targets.

        A `GradientStep` of `critic_loss_of_batch` on the critics' parameters by their optimizer,
        clipped to `clip_grad_norm`; arguments as for `update`. Returns the loss's metrics.
        """
        step = GradientStep(
            self.critic_loss_of_batch,
            self.critic_parameters,
            self.critic_optimizer,
            self.compiler,
            self.clip_grad_norm,
            name="critic",
        )
        return step(observations, actions, rewards, next_observations, dones, weights)

    def critic_loss_of_batch(
        self,
        observations: Tensor,
        actions: Tensor,
        rewards: Tensor,
        next_observations: Tensor,
        dones: Tensor,
        weights: Tensor | None = None,
    ) -> tuple[Tensor, Metrics]:
        """`critic_loss` towards the `bellman_targets` of the same batch; arguments as for both."""
        targets = self.bellman_targets(rewards, next_observations, dones)
        return self.critic_loss(observations, actions, targets, weights)

    def critic_loss(
        self, observations: Tensor, actions: Tensor, targets: Tensor, weights: Tensor | None = None
    ) -> tuple[Tensor, Metrics]:
        """Squared TD error, averaged over the batch and summed over critics.

            L = sum_k 1/B sum_b w_b (Q_k(s_b, a_b) - y_kb)^2      (2018b, eq. 5)

        Args:
            observations: (B, *), vectors or images, which the critics take as they are.
            actions: (B, A), from the replay buffer.
            targets: (K, B), which carry no gradient.
            weights: (B,), or None for all ones.

        Returns:
            scalar loss; gradient flows into the critics only. Metrics: `critic/loss`,
            `critic/q_values`, `critic/target_values` (means over critics and batch) and `td_errors`
            (B,), |Q - y| averaged over critics, unweighted.
        """
        q_values = self.critics(observations, actions)
        loss = squared_td_loss(q_values, targets, weights)
        return loss, {
            "critic/loss": loss,
            "critic/q_values": q_values.detach().mean(),
            "critic/target_values": targets.mean(),
            "td_errors": (q_values.detach() - targets).abs().mean(dim=0),
        }

    @torch.no_grad()
    def bellman_targets(self, rewards: Tensor, next_observations: Tensor, dones: Tensor) -> Tensor:
        """Soft Bellman targets, with one action sampled from the current policy.

            y_k = r + gamma (1 - done) (backup_k(Q'(s', a')) - alpha log pi(a' | s')),
            a' ~ pi(. | s')                                      (2018b, eq. 5 and 6)

        Q' are the target critics. The log-probability is left out unless `backup_entropy` (and
        `use_entropy_bonus`) is on.

        Args:
            rewards: (B,).
            next_observations: (B, *), vectors or images, which the networks take as they are.
            dones: (B,) bool, true where the episode terminated. A step cut off by a time limit is
                not done, and bootstraps.

        Returns:
            targets (K, B), without gradient: under `no_grad`, how the sample was made is all one.
        """
        next_actions, next_log_probs = self.actor(next_observations).rsample_with_log_prob()
        next_values = self.backup(self.target_critics(next_observations, next_actions))
        if self.use_entropy_bonus and self.backup_entropy:
            next_values = self.soft_values(next_values, next_log_probs)
        return td_targets(rewards, dones, next_values, self.discount)

    def soft_values(self, q_values: Tensor, log_probs: Tensor) -> Tensor:
        """V(s) ~ Q(s, a) - alpha log pi(a | s), a ~ pi (2018b, eq. 3): the entropy bonus.

        Q and the log-probability belong to the same sample: near the optimum, where pi is
        proportional to exp(Q / alpha), their noise cancels. Always adds the bonus, and asks for no
        setting: the callers leave it out where `use_entropy_bonus` or `backup_entropy` is off.

        Args:
            q_values: (..., B).
            log_probs: (B,), or of the shape of `q_values`.

        Returns:
            of the shape of `q_values`; gradient flows through both arguments, not into alpha.
        """
        return q_values - self.temperature * log_probs

    def update_actor(self, observations: Tensor) -> Metrics:
        """One gradient step of the actor; the critics stay as they are.

        A `GradientStep` of the chosen `actor_loss` on the actor's parameters by the actor's
        optimizer, clipped to `clip_grad_norm`. Returns the loss's metrics.
        """
        step = GradientStep(
            self.actor_loss,
            self.actor_parameters,
            self.actor_optimizer,
            self.compiler,
            self.clip_grad_norm,
            name="actor",
        )
        return step(observations)

    def actor_loss_reinforce(self, observations: Tensor) -> tuple[Tensor, Metrics]:
        """Score-function (REINFORCE) loss over S sampled actions for each state.

            L = - 1/(S B) sum_sb log pi(a_sb | s_b) A_sb,         a_sb ~ pi(. | s_b),
            A_sb = V_sb - mean of the state's other samples,
            V_sb = Q(s_b, a_sb) - alpha log pi(a_sb | s_b)

        A_sb is a constant: gradient flows only through the log pi that multiplies it in L. Q is
        `policy_q_values`, the smallest or the mean of K, which wants the observations repeated to
        (S, B, *) beside actions (S, B, A).

        The gradient of L is an unbiased estimate of that of -E[Q + alpha H]. With one sample A is V
        (see `leave_one_out_advantages`); without the entropy bonus, V is Q. `backup_entropy` is for
        the critics' targets alone.

        Args:
            observations: (B, *), vectors or images, which the networks take as they are.

        Returns:
            scalar loss; gradient flows into the actor only, and leaves the critics trainable.
            Metrics as for `actor_metrics`.

        Source: Williams 1992; Sutton & Barto 2018, eq. 13.8.
        """
        distribution = self.actor(observations)
        actions, log_probs = distribution.sample_with_log_prob((self.num_actor_samples,))
        with torch.no_grad():
            repeated = observations.expand(self.num_actor_samples, *observations.shape)
            values = self.policy_q_values(repeated, actions)  # (S, B)
            if self.use_entropy_bonus:
                values = self.soft_values(values, log_probs)
            advantages = leave_one_out_advantages(values)
        loss = -(log_probs * advantages).mean()
        return loss, self.actor_metrics(loss, distribution, log_probs)

    def actor_loss_reparametrize(self, observations: Tensor) -> tuple[Tensor, Metrics]:
        """Pathwise loss: climb the critics through the sampled action.

            L = - 1/B sum_b [Q(s_b, a_b) - alpha log pi(a_b | s_b)],
            a_b = tanh(mean(s_b) + std(s_b) noise_b)              (2018b, eq. 9)

        Q is `policy_q_values`, the smallest or the mean of K. One action a state is sampled,
        whatever S. Without the entropy bonus the log-probability is left out; `backup_entropy` is
        for the critics' targets alone.

        Args:
            observations: (B, *), vectors or images, which the networks take as they are.

        Returns:
            scalar loss; gradient flows through the action and through the log-probability, not
            into alpha. It may reach the critics, which `update_actor` does not step; they stay
            trainable. Metrics as for `actor_metrics`.
        """
        distribution = self.actor(observations)
        actions, log_probs = distribution.rsample_with_log_prob()
        values = self.policy_q_values(observations, actions)
        if self.use_entropy_bonus:
            values = self.soft_values(values, log_probs)
        loss = -values.mean()
        return loss, self.actor_metrics(loss, distribution, log_probs)

    def policy_q_values(self, observations: Tensor, actions: Tensor) -> Tensor:
        """The one Q-value that the actor climbs: the smallest of K for `min`, else their mean.

        Args: observations (..., *), actions (..., A). Returns: (...).
        """
        q_values = self.critics(observations, actions)
        return q_values.amin(dim=0) if self.is_pessimistic else q_values.mean(dim=0)

    def entropy(self, log_probs: Tensor) -> Tensor:
        """Monte-Carlo estimate of the policy's entropy H = -E[log pi(a | s)], in nats.

        Args:
            log_probs: (..., B), of actions sampled from the policy.

        Returns:
            scalar, averaged over states and samples.
        """
        return -log_probs.mean()

    def actor_metrics(
        self, loss: Tensor, distribution: DiagonalNormal, log_probs: Tensor
    ) -> Metrics:
        """What an actor loss reports.

        Args:
            loss: scalar.
            distribution: the policy's, for a batch of states.
            log_probs: (..., B), of actions sampled from it.

        Returns:
            `actor/loss`, `actor/entropy`, and `actor/std`: the Gaussian's standard deviation before
            tanh, averaged over states and action components.
        """
        return {
            "actor/loss": loss,
            "actor/entropy": self.entropy(log_probs),
            "actor/std": distribution.std.mean(),
        }

    def update_temperature(self, entropy: Tensor) -> Metrics:
        """One gradient step of log alpha, on the scalar entropy; returns the loss's metrics."""
        step = GradientStep(
            self.temperature_loss,
            self.temperature_parameters,
            self.temperature_optimizer,
            self.compiler,
        )
        return step(entropy)

    def temperature_loss(self, entropy: Tensor) -> tuple[Tensor, Metrics]:
        """Raises alpha while the policy's entropy is below its target, lowers it above.

            L = alpha (H - H_target), alpha = exp(log alpha)      (2018b, eq. 18)

        Args:
            entropy: scalar H, taken as a constant.

        Returns:
            scalar loss; gradient flows into `log_temperature` only. Metrics: `temperature/loss`.
        """
        loss = self.log_temperature.exp() * (entropy.detach() - self.target_entropy)
        return loss, {"temperature/loss": loss}

    def update_target_critic(self) -> None:
        """Hard update: target critics <- critics.

        The values are copied into the target critics' own parameters, which stay the same objects
        in the same memory (compiled steps hold on to it), without gradient.
        """
        hard_update(self.target_critic_parameters, self.critic_parameters)

    def soft_update_target_critic(self) -> None:
        """Soft update: target critics <- (1 - tau) target critics + tau critics.

        Written into the target critics' own parameters, as by the hard update.
        """
        soft_update(
            self.target_critic_parameters, self.critic_parameters, self.soft_target_update_rate
        )

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """See `BaseAgent`."""
        return {
            "actor": self.actor_optimizer,
            "critic": self.critic_optimizer,
            "temperature": self.temperature_optimizer,
        }

    def get_extra_state(self) -> dict[str, Any]:
        """See `BaseAgent`."""
        interval = self.target_update_interval.state_dict()
        return super().get_extra_state() | {"target_update_interval": interval}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """See `BaseAgent`."""
        super().set_extra_state(state)
        self.target_update_interval.load_state_dict(state["target_update_interval"])
