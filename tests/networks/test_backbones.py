"""Backbones: shapes, pixels scaled once, orders of axes, what cannot be built."""

import re
from pathlib import Path

import pytest
import torch

import hw.infrastructure.pytorch_util as ptu
from hw.networks.actor_critic import SharedActorCritic
from hw.networks.backbones import MLP, EnsembleMLP, NatureCNN, as_floats
from hw.networks.heads import DuelingHead, GaussianHead
from hw.networks.state_action_value_critic import BackboneStateActionCritics

SHAPE = {"n_layers": 1, "size": 16, "activation": "relu"}


def pixels(*shape):
    return torch.randint(0, 256, shape, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("backbone_class", "observation_shape"),
    [
        (MLP, ()),
        (MLP, (4,)),
        (MLP, (2, 3)),
        (MLP, (3, 40, 40)),
        (NatureCNN, (40, 44)),
        (NatureCNN, (3, 40, 44)),
        (NatureCNN, (40, 44, 3)),
    ],
)
@pytest.mark.parametrize("n_layers", [0, 1, 2])
def test_a_backbone_gives_as_many_features_as_it_says(backbone_class, observation_shape, n_layers):
    backbone = backbone_class(observation_shape, n_layers=n_layers, size=7, activation="tanh")
    for batch_shape in ((5,), (2, 5), (0,)):
        features = backbone(torch.randn(*batch_shape, *observation_shape))
        assert features.shape == (*batch_shape, backbone.feature_size)
        assert features.dtype == torch.float32
    if n_layers > 0:
        assert backbone.feature_size == 7
    linears = [layer for layer in backbone.layers if isinstance(layer, torch.nn.Linear)]
    assert len(linears) == n_layers


def test_an_mlp_without_layers_flattens():
    observations = torch.randn(5, 2, 3)
    backbone = MLP((2, 3), n_layers=0, size=7, activation="relu")
    assert backbone.feature_size == 6
    torch.testing.assert_close(backbone(observations), observations.flatten(1), rtol=0, atol=0)


def test_an_mlp_is_activations_of_linear_maps():
    backbone = MLP((2, 3), n_layers=2, size=7, activation="tanh")
    first, _, second, _ = backbone.layers
    observations = torch.randn(5, 2, 3)
    expected = second(first(observations.reshape(5, 6)).tanh()).tanh()
    torch.testing.assert_close(backbone(observations), expected)


@pytest.mark.parametrize("observation_shape", [(4, 84, 84), (84, 84, 4)])
def test_the_convolutions_of_mnih_give_3136_features(observation_shape):
    backbone = NatureCNN(observation_shape, n_layers=0, size=0, activation="relu")
    assert backbone.feature_size == 3136
    assert backbone(pixels(2, *observation_shape)).shape == (2, 3136)
    convolutions = [m for m in backbone.modules() if isinstance(m, torch.nn.Conv2d)]
    sizes = [(m.in_channels, m.out_channels, m.kernel_size, m.stride) for m in convolutions]
    assert sizes == [
        (4, 32, (8, 8), (4, 4)),
        (32, 64, (4, 4), (2, 2)),
        (64, 64, (3, 3), (1, 1)),
    ]


@pytest.mark.parametrize(
    ("backbone_class", "observation_shape"),
    [(MLP, (6,)), (MLP, (2, 3)), (NatureCNN, (40, 40)), (NatureCNN, (2, 40, 40))],
)
def test_uint8_is_scaled_exactly_once_and_floats_not_at_all(backbone_class, observation_shape):
    backbone = backbone_class(observation_shape, **SHAPE)
    observations = pixels(3, *observation_shape)
    scaled = observations.float() / 255
    torch.testing.assert_close(backbone(observations), backbone(scaled), rtol=0, atol=0)
    layers = backbone.layers
    if backbone_class is MLP:
        manual = layers(scaled.flatten(1))
        unscaled = layers(observations.float().flatten(1))
    else:
        images = scaled.reshape(3, -1, 40, 40)
        manual = layers(backbone.convolutions(images))
        unscaled = layers(backbone.convolutions(255 * images))
    torch.testing.assert_close(backbone(observations), manual)
    torch.testing.assert_close(backbone(observations.float()), unscaled, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(manual, unscaled)


def test_as_floats():
    observations = torch.tensor([0, 51, 255], dtype=torch.uint8)
    torch.testing.assert_close(as_floats(observations), torch.tensor([0.0, 0.2, 1.0]))
    torch.testing.assert_close(as_floats(torch.tensor([3, -1])), torch.tensor([3.0, -1.0]))
    torch.testing.assert_close(as_floats(torch.tensor([True])), torch.tensor([1.0]))
    floats = torch.tensor([200.0])
    assert as_floats(floats) is floats


def test_channels_first_and_last_agree():
    first = NatureCNN((3, 40, 44), **SHAPE)
    last = NatureCNN((40, 44, 3), **SHAPE)
    last.load_state_dict(first.state_dict())
    images = pixels(2, 3, 40, 44)
    torch.testing.assert_close(first(images), last(images.permute(0, 2, 3, 1)))


def test_a_frame_is_an_image_of_one_channel():
    frame = NatureCNN((40, 44), **SHAPE)
    image = NatureCNN((1, 40, 44), **SHAPE)
    image.load_state_dict(frame.state_dict())
    frames = pixels(2, 40, 44)
    torch.testing.assert_close(frame(frames), image(frames[:, None]))


@pytest.mark.parametrize(
    "observation_shape", [(), (4,), (2, 4, 84, 84), (35, 84), (4, 84, 35), (35, 84, 4)]
)
def test_what_is_no_image_or_too_small_is_named(observation_shape):
    message = re.escape(f"{observation_shape} do not suit NatureCNN") + ".*at least 36"
    with pytest.raises(ValueError, match=message):
        NatureCNN(observation_shape, **SHAPE)
    NatureCNN((36, 36), **SHAPE)(pixels(1, 36, 36))


def test_an_unknown_activation_is_named():
    for backbone_class in (MLP, NatureCNN):
        with pytest.raises(ValueError, match="unknown activation 'rleu'"):
            backbone_class((40, 40), n_layers=1, size=4, activation="rleu")


def test_images_of_another_shape_are_refused():
    with pytest.raises(AssertionError):
        NatureCNN((4, 40, 44), **SHAPE)(pixels(2, 40, 44, 4))


def test_gradient_reaches_every_parameter():
    backbone = NatureCNN((2, 40, 40), n_layers=1, size=16, activation="tanh")
    backbone(pixels(3, 2, 40, 40)).sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in backbone.parameters())


def test_every_parameter_is_made_on_the_device(monkeypatch):
    monkeypatch.setattr(ptu, "device", torch.device("meta"))
    head = GaussianHead(
        16, 2, use_tanh=False, state_dependent_std=False, fixed_std=None, initial_std=0.5
    )
    modules = [
        SharedActorCritic(NatureCNN((40, 40), **SHAPE), head),
        DuelingHead(16, 2, "relu"),
        BackboneStateActionCritics(lambda: MLP((2, 3), **SHAPE), 2, 3, 8, "relu"),
    ]
    for module in modules:
        assert all(parameter.is_meta for parameter in module.parameters())


def test_the_backbone_in_the_readme_works():
    text = Path("hw/networks/README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    namespace = {}
    exec(block, namespace)
    assert namespace["values"].shape == (5,)


@pytest.fixture
def bfloat16_products():
    ptu.set_products("bfloat16")
    yield
    ptu.set_products("float32")


@pytest.mark.parametrize(
    "make_module",
    [
        lambda: MLP((6,), **SHAPE),
        lambda: NatureCNN((3, 40, 44), **SHAPE),
        lambda: EnsembleMLP(3, 6, 1, n_layers=1, size=16, activation="relu"),
    ],
)
def test_bfloat16_products_round_and_leave_weights_and_gradients_alone(
    make_module, bfloat16_products
):
    module = make_module()
    inputs = torch.randn(32, 3, 40, 44) if isinstance(module, NatureCNN) else torch.randn(32, 6)
    rounded = module(inputs)
    rounded.square().mean().backward()
    ptu.set_products("float32")
    exact = module(inputs)
    assert rounded.dtype == torch.float32
    assert 0 < (rounded - exact).abs().max() < 0.03 * exact.abs().max()
    assert all(p.dtype == p.grad.dtype == torch.float32 for p in module.parameters())
