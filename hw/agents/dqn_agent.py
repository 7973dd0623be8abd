"""Deep Q-learning.

Mnih et al. 2015, "Human-level control through deep reinforcement learning" (Nature 518), with
double Q-learning (van Hasselt et al. 2016, arXiv 1509.06461), n-step targets and prioritised replay
(as combined by Hessel et al. 2018, "Rainbow", arXiv 1710.02298) as options. The dueling
architecture is a matter of the network alone. Where the paper clips rewards and skips frames, that
is left to the environment.

Shapes: B batch, A number of actions, n steps of an n-step target, * one observation.
"""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from hw.agents.base_agent import BaseAgent, MakeOptimizer
from hw.agents.functional.td import (
    double_q_values,
    huber_td_loss,
    max_values,
    n_step_targets,
    td_targets,
)
from hw.infrastructure.interval import Interval
from hw.infrastructure.optimization import (
    GradientStep,
    Metrics,
    freeze,
    hard_update,
    soft_update,
)


class DQN(BaseAgent):
    """Learns Q(s, a), the return of the best policy, and acts greedily on it, most of the time.

    Args:
        observation_shape, num_actions: *, A.
        make_critic: (observation_shape, num_actions) -> critic, which maps observations (B, *) to
            Q-values (B, A).
        make_critic_optimizer: parameters -> optimizer.
        learning_rate_schedule: environment step -> factor on the learning rate.
        exploration_schedule: environment step -> epsilon, the chance of a random action.
        discount: gamma in [0, 1].
        use_double_q: let the online network choose the action that the target network judges.
        target_update_period: environment steps between hard updates of the target network.
        soft_target_update_rate: tau of a soft update after each update; excludes the period.
        clip_grad_norm: largest norm of the gradient; None for no limit.
    """

    collects = "transitions"

    def __init__(
        self,
        observation_shape: tuple[int, ...],
        num_actions: int,
        *,
        make_critic: Callable[[tuple[int, ...], int], nn.Module],
        make_critic_optimizer: MakeOptimizer,
        learning_rate_schedule: Callable[[int], float],
        exploration_schedule: Callable[[int], float],
        discount: float,
        use_double_q: bool,
        target_update_period: int | None,
        soft_target_update_rate: float | None,
        clip_grad_norm: float | None,
    ):
        super().__init__(observation_shape)
        if (target_update_period is None) == (soft_target_update_rate is None):
            raise ValueError("give either target_update_period or soft_target_update_rate")
        self.num_actions = num_actions
        self.critic = make_critic(observation_shape, num_actions)
        self.target_critic = freeze(copy.deepcopy(self.critic))
        self.critic_parameters = list(self.critic.parameters())
        self.target_critic_parameters = list(self.target_critic.parameters())
        self.critic_optimizer = make_critic_optimizer(self.critic_parameters)
        self.learning_rate_schedule = learning_rate_schedule
        self.exploration_schedule = exploration_schedule

        self.discount = discount
        self.target_update_interval = Interval(target_update_period)
        self.soft_target_update_rate = soft_target_update_rate
        self.clip_grad_norm = clip_grad_norm
        self.next_values = self.double_q_next_values if use_double_q else self.max_next_values

    def act(self, observations: Tensor, step: int | None, deterministic: bool) -> Tensor:
        """Epsilon-greedy actions: (N, *) -> (N,), the greedy ones if `deterministic`.

        With probability epsilon(step) an action is drawn uniformly from all actions, the greedy one
        included, in each environment by itself; a step of None counts as 0. Actions are integers;
        observations floats or bytes: the networks take either, as they are.
        """
        if deterministic:
            return self.greedy_actions(observations)
        epsilon = self.exploration_schedule(step or 0)
        num_envs, device = len(observations), observations.device
        explores = torch.rand(num_envs, device=device) < epsilon
        random_actions = torch.randint(self.num_actions, (num_envs,), device=device)
        return torch.where(explores, random_actions, self.greedy_actions(observations))

    def greedy_actions(self, observations: Tensor) -> Tensor:
        """argmax_a Q(s, a): (N, *) -> (N,); compiled, if anything is."""
        return self.compiler.run(self.argmax, self.argmax, observations)

    def argmax(self, observations: Tensor) -> Tensor:
        """As `greedy_actions`, never compiled."""
        return self.critic(observations).argmax(dim=-1)

    def update(
        self,
        observations: Tensor,
        actions: Tensor,
        rewards: Tensor,
        next_observations: Tensor,
        dones: Tensor,
        step: int,
        weights: Tensor | None = None,
        num_steps: Tensor | None = None,
    ) -> Metrics:
        """One step of the critic on one batch, then the target network.

        The target network follows after each call (soft), or when the step crosses a multiple of
        the period (hard).

        Args:
            observations, next_observations: (B, *).
            actions: (B,), integers.
            rewards: (B,), or (B, n) with `num_steps`.
            dones: (B,).
            step: environment steps so far.
            weights: (B,) importance weights, or None.
            num_steps: (B,), how many steps lie between the two observations; None for one.

        Returns:
            the metrics of `critic_loss`, and `exploration/epsilon`.
        """
        self.set_learning_rates(self.learning_rate_schedule(step))
        metrics = self.update_critic(
            observations, actions, rewards, next_observations, dones, weights, num_steps
        )
        if self.soft_target_update_rate is not None:
            self.soft_update_target_critic()
        elif self.target_update_interval.crossed(step):
            self.update_target_critic()
        epsilon = torch.full((), self.exploration_schedule(step))
        return metrics | {"exploration/epsilon": epsilon}

    def update_critic(
        self,
        observations: Tensor,
        actions: Tensor,
        rewards: Tensor,
        next_observations: Tensor,
        dones: Tensor,
        weights: Tensor | None = None,
        num_steps: Tensor | None = None,
    ) -> Metrics:
        """One gradient step of the critic towards the Bellman targets.

        A `GradientStep` of `critic_loss_of_batch` on the critic's parameters by its optimizer,
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
        return step(observations, actions, rewards, next_observations, dones, weights, num_steps)

    def critic_loss_of_batch(
        self,
        observations: Tensor,
        actions: Tensor,
        rewards: Tensor,
        next_observations: Tensor,
        dones: Tensor,
        weights: Tensor | None = None,
        num_steps: Tensor | None = None,
    ) -> tuple[Tensor, Metrics]:
        """`critic_loss` towards the `bellman_targets` of the same batch; arguments as for both."""
        targets = self.bellman_targets(rewards, next_observations, dones, num_steps)
        return self.critic_loss(observations, actions, targets, weights)

    def critic_loss(
        self, observations: Tensor, actions: Tensor, targets: Tensor, weights: Tensor | None = None
    ) -> tuple[Tensor, Metrics]:
        """Huber loss of the TD error of the actions that were taken.

            L = 1/B sum_b w_b h(Q(s_b, a_b) - y_b), h = `huber_td_loss`

        Args:
            observations: (B, *), floats or bytes: the networks take either, as they are.
            actions: (B,), int64, from the replay buffer.
            targets: (B,), which carry no gradient.
            weights: (B,), or None for all ones.

        Returns:
            scalar loss; gradient flows into the critic. Metrics: `critic/loss`; `critic/q_values`,
            mean Q(s_b, a_b) of the actions taken; `critic/target_values`, mean y_b; and `td_errors`
            (B,), |Q - y|, unweighted.
        """
        q_values = self.critic(observations).gather(1, actions[:, None]).squeeze(1)
        loss = huber_td_loss(q_values, targets, weights)
        return loss, {
            "critic/loss": loss,
            "critic/q_values": q_values.detach().mean(),
            "critic/target_values": targets.mean(),
            "td_errors": (q_values.detach() - targets).abs(),
        }

    @torch.no_grad()
    def bellman_targets(
        self,
        rewards: Tensor,
        next_observations: Tensor,
        dones: Tensor,
        num_steps: Tensor | None = None,
    ) -> Tensor:
        """Targets of Q-learning, over one step or several.

            y = r + gamma (1 - done) V(s'),                   V as `next_values` says
            y = sum_{i<k} gamma^i r_i + gamma^k (1 - done) V(s'), with k = `num_steps`

        Args:
            rewards: (B,), or (B, n) with `num_steps`.
            next_observations: (B, *), after the last of these steps; floats or bytes: the networks
                take either, as they are.
            dones: (B,), booleans or 0 and 1, true where the episode terminated there. A step cut
                off by a time limit is not done, and bootstraps.
            num_steps: (B,), integers, k; None for one step.

        Returns:
            targets (B,), without gradient.
        """
        next_values = self.next_values(next_observations)
        if num_steps is None:
            return td_targets(rewards, dones, next_values, self.discount)
        return n_step_targets(rewards, dones, next_values, num_steps, self.discount)

    def max_next_values(self, next_observations: Tensor) -> Tensor:
        """Q-learning: V(s') = max_a Q'(s', a), of the target network: (B, *) -> (B,)."""
        return max_values(self.target_critic(next_observations))

    def double_q_next_values(self, next_observations: Tensor) -> Tensor:
        """Double Q-learning: V(s') = Q'(s', argmax_a Q(s', a)): (B, *) -> (B,).

        The online network Q chooses, the target network Q' judges. Both take observations as they
        are, floats or bytes.
        """
        return double_q_values(
            self.critic(next_observations), self.target_critic(next_observations)
        )

    def update_target_critic(self) -> None:
        """Hard update: target network <- online network."""
        hard_update(self.target_critic_parameters, self.critic_parameters)

    def soft_update_target_critic(self) -> None:
        """Soft update: target network <- (1 - tau) target network + tau online network."""
        soft_update(
            self.target_critic_parameters, self.critic_parameters, self.soft_target_update_rate
        )

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """See `BaseAgent`."""
        return {"critic": self.critic_optimizer}

    def get_extra_state(self) -> dict[str, Any]:
        """See `BaseAgent`."""
        interval = self.target_update_interval.state_dict()
        return super().get_extra_state() | {"target_update_interval": interval}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """See `BaseAgent`."""
        super().set_extra_state(state)
        self.target_update_interval.load_state_dict(state["target_update_interval"])
