"""Backbones: observations -> features. Each has a `feature_size`.

Shapes: B batch, K members of an ensemble, F features.
"""

import math

import torch
from torch import Tensor, nn

import hw.infrastructure.pytorch_util as ptu


class MLP(nn.Module):
    """Hidden layers: (B, input_size) -> (B, F), with F = size.

    Args:
        n_layers: number of hidden layers, at least 1.
        size: units in each.
        activation: a name in `pytorch_util.ACTIVATIONS`.
    """

    def __init__(self, input_size: int, n_layers: int, size: int, activation: str):
        super().__init__()
        self.feature_size = size
        self.layers = ptu.build_mlp(input_size, size, n_layers - 1, size, activation, activation)

    def forward(self, inputs: Tensor) -> Tensor:
        """Features (B, F) of inputs (B, input_size)."""
        return self.layers(inputs)


class EnsembleLinear(nn.Module):
    """K linear maps in one product: y_k = x_k W_k + b_k, for x (K, B, in) -> (K, B, out).

    Each member is initialised as `nn.Linear` would be.
    """

    def __init__(self, num_members: int, input_size: int, output_size: int):
        super().__init__()
        bound = 1.0 / math.sqrt(input_size)
        shape = (num_members, input_size, output_size)
        self.weight = nn.Parameter(torch.empty(shape, device=ptu.device).uniform_(-bound, bound))
        bias = torch.empty((num_members, 1, output_size), device=ptu.device)
        self.bias = nn.Parameter(bias.uniform_(-bound, bound))

    def forward(self, inputs: Tensor) -> Tensor:
        """(K, B, out) of inputs (K, B, in)."""
        if self.weight.shape[-1] == 1:
            # BLAS is slow at a single column; a sum of products also fuses when compiled.
            return (inputs * self.weight.mT).sum(dim=-1, keepdim=True) + self.bias
        return torch.baddbmm(self.bias, inputs, self.weight)


class EnsembleMLP(nn.Module):
    """K multilayer perceptrons evaluated together: (B, input_size) -> (K, B, output_size).

    Args:
        num_members: K.
        n_layers, size, activation: as for `pytorch_util.build_mlp`.
    """

    def __init__(
        self,
        num_members: int,
        input_size: int,
        output_size: int,
        n_layers: int,
        size: int,
        activation: str,
    ):
        super().__init__()
        self.num_members = num_members
        sizes = [input_size] + [size] * n_layers
        layers: list[nn.Module] = []
        for layer_input, layer_output in zip(sizes[:-1], sizes[1:], strict=True):
            layers.append(EnsembleLinear(num_members, layer_input, layer_output))
            layers.append(ptu.make_activation(activation))
        layers.append(EnsembleLinear(num_members, sizes[-1], output_size))
        self.layers = nn.Sequential(*layers)

    def forward(self, inputs: Tensor) -> Tensor:
        """Each member's output for the same inputs."""
        return self.layers(inputs.expand(self.num_members, *inputs.shape))
