"""Which network: backbones by name, joined to heads; optimizers."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from hw.infrastructure.errors import ConfigError
from hw.infrastructure.importing import import_named
from hw.infrastructure.optimization import tracer_left_out
from hw.networks.backbones import MLP, NatureCNN
from hw.networks.heads import CategoricalHead, GaussianHead
from hw.networks.state_action_value_critic import (
    BackboneStateActionCritics,
    StateActionCriticEnsemble,
)

BACKBONES = {"mlp": MLP, "nature_cnn": NatureCNN}


@dataclass(frozen=True)
class NetworkSettings:
    """The body of every network of a run: observations -> features.

    Args:
        backbone: a name in `BACKBONES`, or `module:Class` for one of your own, made as
            `Class(observation_shape, n_layers=, size=, activation=)`, with a `feature_size`.
        num_layers, hidden_size, activation: of its dense layers.

    Raises:
        ConfigError: there is no such backbone.
    """

    backbone: str
    num_layers: int
    hidden_size: int
    activation: str

    def __post_init__(self):
        find_backbone(self.backbone)

    def make_backbone(self, observation_shape: tuple[int, ...]) -> nn.Module:
        """A backbone for observations of this shape.

        Raises:
            ConfigError: it cannot be made for them.
        """
        make = find_backbone(self.backbone)
        try:
            return make(
                observation_shape,
                n_layers=self.num_layers,
                size=self.hidden_size,
                activation=self.activation,
            )
        except (ValueError, TypeError) as error:
            raise ConfigError(f"{self.backbone}: {error}", key="backbone") from error

    def make_state_action_critics(
        self, observation_shape: tuple[int, ...], action_dim: int, num_critics: int
    ) -> nn.Module:
        """K critics Q(s, a). Multilayer perceptrons of [s, a] are evaluated in one product."""
        if self.backbone == "mlp" and len(observation_shape) == 1:
            return StateActionCriticEnsemble(
                num_critics,
                observation_shape[0],
                action_dim,
                self.num_layers,
                self.hidden_size,
                self.activation,
            )
        return BackboneStateActionCritics(
            lambda: self.make_backbone(observation_shape),
            num_critics,
            action_dim,
            self.hidden_size,
            self.activation,
        )


def make_policy_head(
    feature_size: int,
    action_size: int,
    *,
    discrete: bool,
    use_tanh: bool = False,
    state_dependent_std: bool = False,
    fixed_std: float | None = None,
    initial_std: float | None = None,
) -> nn.Module:
    """Features -> distribution: categorical for discrete actions, Gaussian for continuous ones."""
    if discrete:
        return CategoricalHead(feature_size, action_size)
    return GaussianHead(
        feature_size,
        action_size,
        use_tanh=use_tanh,
        state_dependent_std=state_dependent_std,
        fixed_std=fixed_std,
        initial_std=initial_std,
    )


def check_std(
    state_dependent_std: bool, fixed_std: float | None, initial_std: float | None
) -> float | None:
    """The initial standard deviation of a learned one, 1 if not given; None for the other kinds.

    Raises:
        ConfigError: two settings contradict each other.
    """
    if fixed_std is not None and state_dependent_std:
        raise ConfigError("needs state_dependent_std: false", key="fixed_std")
    is_learned = fixed_std is None and not state_dependent_std
    if initial_std is not None and not is_learned:
        raise ConfigError(
            "belongs to state_dependent_std: false without a fixed_std", key="initial_std"
        )
    return (1.0 if initial_std is None else initial_std) if is_learned else None


def find_backbone(name: str) -> type[nn.Module]:
    """The class that a setting names.

    Raises:
        ConfigError: there is none.
    """
    if name in BACKBONES:
        return BACKBONES[name]
    if ":" in name:
        return import_named(name, "backbone")
    raise ConfigError(
        f"unknown {name!r}; choose from {', '.join(BACKBONES)}, or name your own as module:Class",
        key="backbone",
    )


def make_adam(
    parameters: Iterable[nn.Parameter], learning_rate: float, epsilon: float = 1e-8
) -> torch.optim.Adam:
    """Adam with its fused kernel."""
    with tracer_left_out():
        return torch.optim.Adam(parameters, lr=learning_rate, eps=epsilon, fused=True)
