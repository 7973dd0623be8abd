"""The contract between an agent and the trainer. It holds no algorithm.

Shapes: N environments, B batch, T time, A action dimension, * one observation.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

import hw.infrastructure.pytorch_util as ptu
from hw.infrastructure.checkpoint import SavedModule
from hw.infrastructure.compilation import Compiler
from hw.infrastructure.optimization import (
    Metrics,
    gradient_norm,
    load_optimizer,
    set_learning_rate,
)

MakeOptimizer = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]


class BaseAgent(SavedModule, ABC):
    """Acts, and learns from what the trainer hands it.

    An algorithm declares in `collects` what it is handed by `update`. Its parameters, those of its
    target networks and its optimizers all belong to `state_dict()`. What is worth compiling runs
    through its `compiler`, which is off unless it is enabled: gradient steps, and `act`, too, of an
    algorithm that declares that it does the same at every step.

    Args:
        observation_shape: *, of one observation.
    """

    collects: Literal["transitions", "rollout", "episodes"]
    act_depends_on_step = True

    def __init__(self, observation_shape: tuple[int, ...]):
        super().__init__()
        self.observation_shape = tuple(observation_shape)
        self.compiler = Compiler()

    @torch.inference_mode()
    def get_action(
        self, observation: np.ndarray, step: int | None = None, deterministic: bool = False
    ) -> np.ndarray:
        """Act on one observation (*) or on N of them (N, *).

        Args:
            step: environment steps so far, for exploration that depends on it.
            deterministic: the policy's mode instead of a sample.

        Returns:
            one action or N of them, to match.
        """
        is_single = observation.ndim == len(self.observation_shape)
        observations = ptu.from_numpy(observation[None] if is_single else observation)
        if self.act_depends_on_step:
            actions = self.act(observations, step, deterministic)
        else:
            act = self._act_by_mode if deterministic else self._act_by_sample
            actions = self.compiler.run(act, act, observations)
        return ptu.to_numpy(actions[0] if is_single else actions)

    def _act_by_mode(self, observations: Tensor) -> Tensor:
        return self.act(observations, None, True)

    def _act_by_sample(self, observations: Tensor) -> Tensor:
        return self.act(observations, None, False)

    @abstractmethod
    def act(self, observations: Tensor, step: int | None, deterministic: bool) -> Tensor:
        """One action for each of the observations (N, *): (N, A), or (N,) if discrete.

        Arguments as for `get_action`. Called without gradient.
        """

    @abstractmethod
    def update(self, *experience: Any, step: int) -> Metrics:
        """Learn from experience, in the form that `collects` names.

        `transitions`: update(observations, actions, rewards, next_observations, dones, step,
        weights=None), a batch from the replay buffer: `*observations` (B, *), `actions` (B, A) or
        (B,), `rewards` and `dones` (B,), `weights` (B,) the importance weights of prioritised
        replay. A buffer of n-step returns hands over `rewards` (B, n), and `num_steps` (B,) as a
        further argument.

        `rollout`: update(rollout, step), the last T steps of N environments: a dict of
        `observations` and `next_observations` (T, N, *), `actions` (T, N, A) or (T, N), `rewards`,
        `dones` and `truncateds` (T, N).

        `episodes`: update(episodes, step), whole episodes one after the other: a dict of the same
        names, with (B, ...) in place of (T, N, ...).

        `dones` marks termination, never a time limit; `step` counts environment steps.

        Returns:
            metrics by name: detached 0-d tensors, or vectors where a histogram is meant;
            `td_errors` (B,), where present, is what prioritised replay goes by.
        """

    def reset(self) -> None:
        """Forget past observations; an agent without memory has nothing to do."""

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """The optimizers by name; their state is saved with the weights."""
        return {}

    def set_learning_rates(self, factor: float) -> None:
        """Set every learning rate to `factor` times the one that its optimizer was made with."""
        for optimizer in self.optimizers().values():
            set_learning_rate(optimizer, factor)

    def gradient_norms(self) -> Metrics:
        """`<optimizer>/gradient_norm`: 2-norm of the gradient that its last step used.

        Where gradients are clipped, the update itself reports the norm before that.
        """
        norms = {}
        for name, optimizer in self.optimizers().items():
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            gradients = [p.grad for p in parameters if p.grad is not None]
            if gradients:
                norms[f"{name}/gradient_norm"] = gradient_norm(gradients)
        return norms

    def get_extra_state(self) -> dict[str, Any]:
        """What `state_dict()` holds beside the weights: the optimizers' state."""
        return {name: optimizer.state_dict() for name, optimizer in self.optimizers().items()}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore `get_extra_state()`."""
        for name, optimizer in self.optimizers().items():
            load_optimizer(optimizer, state[name])
        self.compiler.forget()

    def weights(self) -> dict[str, Tensor]:
        """All networks' weights, without the optimizers."""
        return {name: value for name, value in self.state_dict().items() if _is_weight(name)}

    def load_weights(self, weights: dict[str, Tensor]) -> None:
        """Restore `weights()`; optimizers keep their state."""
        self.load_state_dict({**weights, "_extra_state": self.get_extra_state()})


def _is_weight(name: str) -> bool:
    return not name.endswith("_extra_state")
