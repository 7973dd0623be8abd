"""How weights begin."""

import torch
from torch import nn

from hw.networks.backbones import EnsembleLinear


@torch.no_grad()
def orthogonal_init(module: nn.Module, gain: float) -> nn.Module:
    """Make every weight matrix in a module a random orthogonal one, and every bias zero, in place.

        W W^T = gain^2 I   where W (out, in) has out <= in,   W^T W = gain^2 I   otherwise

    of linear layers, of each member of an `EnsembleLinear`, and of convolutions, whose weight
    (out, in, ...) counts as (out, in * ...). All else is left alone (Saxe et al. 2014, "Exact
    solutions to the nonlinear dynamics of learning in deep linear neural networks").

    Args:
        gain: commonly sqrt(2) with ReLU or tanh, 0.01 for a policy's last layer, 1 for a value's.

    Returns:
        the module.
    """
    for layer in module.modules():
        if isinstance(layer, EnsembleLinear):
            for weight in layer.weight:
                nn.init.orthogonal_(weight, gain)
        elif isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d):
            nn.init.orthogonal_(layer.weight, gain)
        else:
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    return module
