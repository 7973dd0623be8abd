"""Twin delayed deep deterministic policy gradient (TD3).

Fujimoto et al. 2018, "Addressing function approximation error in actor-critic methods"
(arXiv 1802.09477). Actions are in [-1, 1]^A; the environment rescales them.

Shapes: B batch, K critics, A action dimension, * one observation.
"""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from hw.agents.base_agent import BaseAgent, MakeOptimizer
from hw.agents.functional.td import min_backup, squared_td_loss, td_targets
from hw.infrastructure.optimization import GradientStep, Metrics, freeze, soft_update


class TD3(BaseAgent):
    """Learns a deterministic policy by climbing the first of K pessimistic critics.

    Args:
        observation_shape, action_dim: *, A.
        make_actor: (observation_shape, action_dim) -> policy, which maps observations (B, *) to
            actions (B, A) in [-1, 1].
        make_critic: (observation_shape, action_dim, K) -> critics, which map observations (B, *)
            and actions (B, A) to Q-values (K, B).
        make_actor_optimizer, make_critic_optimizer: parameters -> optimizer.
        learning_rate_schedule: environment step -> factor on every learning rate.
        discount: gamma in [0, 1].
        num_critic_networks: K.
        soft_target_update_rate: tau of the target networks' updates.
        actor_update_period: updates of the critics for each of the actor and the target networks.
        exploration_noise: standard deviation of the noise on training actions.
        target_noise: standard deviation of the noise on the target policy's actions.
        target_noise_clip: bound of that noise.
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
        learning_rate_schedule: Callable[[int], float],
        discount: float,
        num_critic_networks: int,
        soft_target_update_rate: float,
        actor_update_period: int,
        exploration_noise: float,
        target_noise: float,
        target_noise_clip: float,
        clip_grad_norm: float | None,
    ):
        super().__init__(observation_shape)
        self.actor = make_actor(observation_shape, action_dim)
        self.critics = make_critic(observation_shape, action_dim, num_critic_networks)
        self.target_actor = freeze(copy.deepcopy(self.actor))
        self.target_critics = freeze(copy.deepcopy(self.critics))

        self.actor_parameters = list(self.actor.parameters())
        self.critic_parameters = list(self.critics.parameters())
        self.parameters_followed = self.actor_parameters + self.critic_parameters
        self.target_parameters = [
            *self.target_actor.parameters(),
            *self.target_critics.parameters(),
        ]
        self.actor_optimizer = make_actor_optimizer(self.actor_parameters)
        self.critic_optimizer = make_critic_optimizer(self.critic_parameters)
        self.learning_rate_schedule = learning_rate_schedule

        self.discount = discount
        self.soft_target_update_rate = soft_target_update_rate
        self.actor_update_period = actor_update_period
        self.exploration_noise = exploration_noise
        self.target_noise = target_noise
        self.target_noise_clip = target_noise_clip
        self.clip_grad_norm = clip_grad_norm
        self.num_updates = 0

    def act(self, observations: Tensor, step: int | None, deterministic: bool) -> Tensor:
        """mu(s) + noise, clipped to [-1, 1], or mu(s) if `deterministic`: (N, *) -> (N, A)."""
        actions = self.actor(observations)
        if deterministic:
            return actions
        noise = self.exploration_noise * torch.randn_like(actions)
        return (actions + noise).clamp(-1.0, 1.0)

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
        """Critics on each call; then actor and target networks on every `actor_update_period`-th.

        So the actor climbs values that have had time to settle (section 5.2). First the learning
        rates are set, as for this step. Then `update_critic`, and, when it is their turn,
        `update_actor` and last `soft_update_targets`, towards the actor's and the critics' new
        weights (algorithm 1). `num_updates` counts the calls; this call is counted before the
        period is checked. Arguments as for `BaseAgent.update`.

        Returns:
            all metrics of the losses computed in this call, whatever their names.
        """
        self.set_learning_rates(self.learning_rate_schedule(step))
        metrics = self.update_critic(
            observations, actions, rewards, next_observations, dones, weights
        )
        self.num_updates += 1
        if self.num_updates % self.actor_update_period == 0:
            metrics |= self.update_actor(observations)
            self.soft_update_targets()
        return metrics

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

            L = sum_k 1/B sum_b w_b (Q_k(s_b, a_b) - y_kb)^2

        Args:
            observations: (B, *).
            actions: (B, A), from the replay buffer.
            targets: (K, B), which carry no gradient.
            weights: (B,), or None for all ones.

        Returns:
            scalar loss; gradient flows into the critics only. Metrics: `critic/loss`,
            `critic/q_values`, `critic/target_values` (means) and `td_errors` (B,), |Q - y|
            averaged over critics.
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
        """Clipped double-Q targets at a smoothed action of the target policy.

            y = r + gamma (1 - done) min_k Q'_k(s', a~),    a~ = `smoothed_target_actions(s')`

        Q' are the target critics (eq. 10 and 15).

        Args:
            rewards: (B,).
            next_observations: (B, *).
            dones: (B,), true where the episode terminated. A step cut off by a time limit is not
                done, and bootstraps.

        Returns:
            targets (K, B), the same for each critic, without gradient.
        """
        next_actions = self.smoothed_target_actions(next_observations)
        next_values = min_backup(self.target_critics(next_observations, next_actions))
        return td_targets(rewards, dones, next_values, self.discount)

    def smoothed_target_actions(self, next_observations: Tensor) -> Tensor:
        """The target policy's actions, blurred so that no narrow peak of Q' is believed.

            a~ = clip(mu'(s') + clip(noise, -c, c), -1, 1),   noise ~ N(0, sigma^2)    (eq. 14)

        sigma is `target_noise`, which may be 0, c is `target_noise_clip`. The noise is one draw per
        component from PyTorch's generator, as in `act`.

        Args:
            next_observations: (B, *), floats or bytes: the networks take either, as they are.

        Returns:
            actions (B, A).
        """
        actions = self.target_actor(next_observations)
        noise = self.target_noise * torch.randn_like(actions)
        noise = noise.clamp(-self.target_noise_clip, self.target_noise_clip)
        return (actions + noise).clamp(-1.0, 1.0)

    def update_actor(self, observations: Tensor) -> Metrics:
        """One gradient step of the actor; the critics stay as they are.

        A `GradientStep` of `actor_loss` on the actor's parameters by the actor's optimizer, clipped
        to `clip_grad_norm`. Returns the loss's metrics.
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

    def actor_loss(self, observations: Tensor) -> tuple[Tensor, Metrics]:
        """Deterministic policy gradient: climb the first critic.

            L = - 1/B sum_b Q_1(s_b, mu(s_b))

        Args:
            observations: (B, *), floats or bytes: the networks take either, as they are.

        Returns:
            scalar loss; gradient flows through the action into the actor. It also reaches the
            critics, which `update_actor` does not step; they require gradient after the call as
            before. Metrics: `actor/loss`, and `actor/saturation`, the share of action components
            with |a| > 0.99, where tanh passes hardly any gradient.

        Source: Silver et al. 2014, "Deterministic policy gradient algorithms", eq. 9.
        """
        actions = self.actor(observations)
        loss = -self.critics(observations, actions)[0].mean()
        saturation = (actions.abs() > 0.99).float().mean()
        return loss, {"actor/loss": loss, "actor/saturation": saturation}

    def soft_update_targets(self) -> None:
        """Target networks <- (1 - tau) target networks + tau networks: actor and critics."""
        soft_update(self.target_parameters, self.parameters_followed, self.soft_target_update_rate)

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """See `BaseAgent`."""
        return {"actor": self.actor_optimizer, "critic": self.critic_optimizer}

    def get_extra_state(self) -> dict[str, Any]:
        """See `BaseAgent`."""
        return super().get_extra_state() | {"num_updates": self.num_updates}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """See `BaseAgent`."""
        super().set_extra_state(state)
        self.num_updates = state["num_updates"]
