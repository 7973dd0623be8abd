"""Backbones: observations -> features, all made as `Backbone(observation_shape, *, n_layers, ...)`.

Shapes: B batch (any leading shape), * one observation, K members of an ensemble, F features.
"""

import math

import torch
from torch import Tensor, nn

import hw.infrastructure.pytorch_util as ptu
from hw.networks.interfaces import Backbone

CNN_LEAST_SIDE = 36  # the side of which the third convolution leaves one pixel


class MLP(Backbone):
    """Hidden layers on the flattened observation: (B, *) -> (B, F).

        h_0 = flatten(s),  h_i = activation(W_i h_{i-1} + b_i),  features = h_n

    F is `size`, or without hidden layers the number of elements of an observation.

    Args:
        observation_shape: *, of any rank.
        n_layers: n >= 0.
        size: units in each hidden layer.
        activation: a name in `pytorch_util.ACTIVATIONS`.
    """

    def __init__(
        self, observation_shape: tuple[int, ...], *, n_layers: int, size: int, activation: str
    ):
        super().__init__()
        self.observation_rank = len(observation_shape)
        self.input_size = math.prod(observation_shape)
        self.layers = _hidden_layers(self.input_size, n_layers, size, activation)
        self.feature_size = size if n_layers > 0 else self.input_size

    def forward(self, observations: Tensor) -> Tensor:
        """Features (B, F) of observations (B, *); see `as_floats` for their type."""
        inputs = as_floats(observations)
        if self.observation_rank != 1:
            batch_shape = inputs.shape[: inputs.ndim - self.observation_rank]
            inputs = inputs.reshape(*batch_shape, self.input_size)
        with ptu.chosen_products():
            features = self.layers(inputs)
        return features if features.dtype == inputs.dtype else features.to(inputs.dtype)


class NatureCNN(Backbone):
    """The convolutions that learned Atari games from pixels, and dense layers: (B, *) -> (B, F).

        32 filters of 8 x 8, stride 4; 64 of 4 x 4, stride 2; 64 of 3 x 3, stride 1; no padding;
        the activation after each; flattened; then n_layers dense layers

    (Mnih et al. 2015, "Human-level control through deep reinforcement learning", Methods, which has
    one dense layer of 512 and ReLU). F is `size`, or without dense layers what the convolutions
    give: 3136 for (4, 84, 84).

    Args:
        observation_shape: (C, H, W); (H, W, C), recognised by its last axis being the smallest; or
            (H, W), one channel.
        n_layers: dense layers, at least 0.
        size: units in each dense layer.
        activation: a name in `pytorch_util.ACTIVATIONS`.

    Raises:
        ValueError: of another rank, or H or W below 36.
    """

    def __init__(
        self, observation_shape: tuple[int, ...], *, n_layers: int, size: int, activation: str
    ):
        super().__init__()
        self.observation_shape = tuple(observation_shape)
        channels, height, width = self._image_shape()
        self.convolutions = nn.Sequential(
            nn.Conv2d(channels, 32, kernel_size=8, stride=4),
            ptu.make_activation(activation),
            nn.Conv2d(32, 64, kernel_size=4, stride=2),
            ptu.make_activation(activation),
            nn.Conv2d(64, 64, kernel_size=3, stride=1),
            ptu.make_activation(activation),
            nn.Flatten(),
        ).to(ptu.device)
        num_features = 64 * _side_after(height) * _side_after(width)
        self.layers = _hidden_layers(num_features, n_layers, size, activation)
        self.feature_size = size if n_layers > 0 else num_features

    def forward(self, observations: Tensor) -> Tensor:
        """Features (B, F) of images (B, *); uint8 pixels are scaled, see `as_floats`.

        B is any leading shape, also none, or empty, and comes back. `self.convolutions` takes
        floats (batch, C, H, W) with exactly one batch axis, and flattens what it finds;
        `self.layers` takes that. So images (H, W) get a channel axis; of images with three axes,
        where `self._is_channels_last()`, that of the channels is moved to the front. The products
        are done in `pytorch_util.chosen_products()`, and the features turned back to the dtype of
        the floats.
        """
        rank = len(self.observation_shape)
        batch_shape = observations.shape[:-rank]
        assert observations.shape[-rank:] == self.observation_shape, observations.shape
        images = observations.reshape(-1, *self.observation_shape)
        if rank == 2:
            images = images.unsqueeze(1)
        elif self._is_channels_last():
            images = images.movedim(-1, 1)
        # In this memory order a gradient step on 256 images takes 15 to 25 % less time on a CPU;
        # bytes are brought into it faster than floats.
        images = as_floats(images.contiguous(memory_format=torch.channels_last))
        with ptu.chosen_products():
            features = self.layers(self.convolutions(images))
        return features.to(images.dtype).reshape(*batch_shape, self.feature_size)

    def _image_shape(self) -> tuple[int, int, int]:
        """(C, H, W), checked."""
        shape = self.observation_shape
        if len(shape) == 2:
            channels, height, width = 1, *shape
        elif len(shape) == 3 and self._is_channels_last():
            height, width, channels = shape
        elif len(shape) == 3:
            channels, height, width = shape
        if len(shape) not in (2, 3) or min(height, width) < CNN_LEAST_SIDE:
            raise ValueError(
                f"observations of shape {shape} do not suit NatureCNN: it takes images (C, H, W), "
                f"(H, W, C) or (H, W), with H and W at least {CNN_LEAST_SIDE}"
            )
        return channels, height, width

    def _is_channels_last(self) -> bool:
        return self.observation_shape[-1] < min(self.observation_shape[:-1])


def as_floats(observations: Tensor) -> Tensor:
    """Observations as floats of their own shape.

    uint8 means pixels, 0 .. 255, which become x / 255 in [0, 1]; other integers and booleans keep
    their value. Floats are returned as they are, so what was scaled before is not scaled again.
    """
    if observations.is_floating_point():
        return observations
    floats = observations.float()
    return floats.div_(255.0) if observations.dtype == torch.uint8 else floats


def _hidden_layers(input_size: int, n_layers: int, size: int, activation: str) -> nn.Sequential:
    """(B, input_size) -> (B, size), an activation after each layer; the identity without layers."""
    if n_layers == 0:
        return nn.Sequential()
    return ptu.build_mlp(input_size, size, n_layers - 1, size, activation, activation)


def _side_after(side: int) -> int:
    """Pixels that the three convolutions leave of an image's side."""
    for kernel_size, stride in ((8, 4), (4, 2), (3, 1)):
        side = (side - kernel_size) // stride + 1
    return side


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
        weight, bias = self.weight, self.bias
        if weight.shape[-1] == 1:
            # BLAS is slow at a single column; a sum of products also fuses when compiled.
            return (inputs * weight.mT).sum(dim=-1, keepdim=True) + bias
        return torch.baddbmm(bias, inputs, weight)


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
        with ptu.chosen_products():
            outputs = self.layers(inputs.expand(self.num_members, *inputs.shape))
        return outputs if outputs.dtype == inputs.dtype else outputs.to(inputs.dtype)
