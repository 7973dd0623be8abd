"""The device, seeds, conversion between numpy and torch, and the plain MLP."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import hw.infrastructure.pytorch_util as ptu
from hw.infrastructure import run_dir
from hw.infrastructure.errors import UserError


@pytest.fixture(autouse=True)
def _restore_globals():
    device, state = ptu.device, ptu.torch_state()
    yield
    ptu.device = device
    ptu.load_torch_state(state)


def matmul_precision():
    return torch.backends.mkldnn.matmul.fp32_precision


# The device


def pretend_gpus(monkeypatch, num_gpus):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: num_gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: num_gpus)


@pytest.mark.parametrize(
    ("num_gpus", "use_gpu", "gpu_id", "expected"),
    [
        (0, True, None, "cpu"),
        (0, False, None, "cpu"),
        (0, False, 3, "cpu"),
        (2, True, None, "cuda:0"),
        (2, True, 0, "cuda:0"),
        (2, True, 1, "cuda:1"),
        (2, False, 1, "cpu"),
    ],
)
def test_the_device_chosen_is_returned_and_remembered(
    monkeypatch, num_gpus, use_gpu, gpu_id, expected
):
    pretend_gpus(monkeypatch, num_gpus)
    assert ptu.init_gpu(use_gpu, gpu_id) == torch.device(expected)
    assert ptu.device == torch.device(expected)


@pytest.mark.parametrize(("num_gpus", "gpu_id"), [(0, 0), (2, 2), (2, -1)])
def test_an_absent_gpu_is_named_and_the_device_stays(monkeypatch, num_gpus, gpu_id):
    pretend_gpus(monkeypatch, num_gpus)
    ptu.device = torch.device("meta")
    with pytest.raises(UserError, match=f"--which_gpu {gpu_id}.* {num_gpus} CUDA"):
        ptu.init_gpu(gpu_id=gpu_id)
    assert ptu.device == torch.device("meta")


def test_new_tensors_and_networks_go_to_the_device():
    ptu.device = torch.device("meta")
    assert ptu.from_numpy({"a": np.zeros(2)})["a"].device.type == "meta"
    assert ptu.build_mlp(2, 1, n_layers=1, size=3)[0].weight.device.type == "meta"


# Seeds


@given(st.integers(0, 2**63))
def test_a_seed_is_split_into_different_ones_always_the_same(seed):
    seeds = ptu.split_seed(seed)
    assert seeds == ptu.split_seed(seed)
    assert len(set(seeds)) == 5
    assert all(0 <= word < 2**64 for word in seeds)


def test_the_seeds_of_different_runs_share_nothing():
    """Not even where runs are numbered 0, 1, 2, ...: env of one is not buffer of the next."""
    words = [word for seed in range(500) for word in ptu.split_seed(seed)]
    assert len(set(words)) == len(words)


def test_the_streams_of_one_run_are_uncorrelated():
    streams = [np.random.default_rng(seed).normal(size=10_000) for seed in ptu.split_seed(1)]
    correlations = np.corrcoef(streams)[np.triu_indices(5, k=1)]
    assert np.abs(correlations).max() < 0.04  # four standard deviations


@pytest.mark.parametrize("seed", [0, 1, 2**63, 2**64 - 1])
def test_any_seed_decides_what_torch_draws(seed):
    ptu.seed_torch(seed)
    drawn = torch.rand(4)
    ptu.seed_torch(seed)
    assert torch.equal(torch.rand(4), drawn)
    ptu.seed_torch(seed + 1)
    assert not torch.equal(torch.rand(4), drawn)


@pytest.mark.parametrize("precision", ["ieee", "bf16"])
def test_torchs_state_can_be_restored(precision):
    torch.backends.mkldnn.matmul.fp32_precision = precision
    state = ptu.torch_state()
    drawn = torch.rand(4)
    torch.backends.mkldnn.matmul.fp32_precision = "none"
    ptu.load_torch_state(state)
    assert torch.equal(torch.rand(4), drawn)
    assert matmul_precision() == precision


# Conversion

NUMPY_TO_TORCH = {
    np.float64: torch.float32,
    np.float32: torch.float32,
    np.float16: torch.float16,
    np.int64: torch.int64,
    np.int32: torch.int32,
    np.uint8: torch.uint8,
    np.bool_: torch.bool,
}


@pytest.mark.parametrize(("dtype", "expected"), NUMPY_TO_TORCH.items())
def test_only_float64_changes_its_type(dtype, expected):
    tensor = ptu.from_numpy(np.array([[0, 1, 3]], dtype))
    assert tensor.dtype == expected
    assert torch.equal(tensor, torch.tensor([[0, 1, 3]]).to(expected))
    array = ptu.to_numpy(tensor)
    assert array.dtype == (np.float32 if dtype is np.float64 else dtype)
    np.testing.assert_array_equal(array, np.array([[0, 1, 3]], dtype))


def test_nested_dicts_are_converted_leaf_by_leaf():
    data = {"a": np.ones(2), "b": {"c": np.array(3), "d": {}, "e": np.array([True])}}
    tensors = ptu.from_numpy(data)
    assert tensors["a"].dtype == torch.float32
    assert tensors["b"]["c"].dtype == torch.int64
    assert tensors["b"]["c"].shape == ()
    assert tensors["b"]["d"] == {}
    assert tensors["b"]["e"].dtype == torch.bool
    arrays = ptu.to_numpy(tensors)
    np.testing.assert_equal(arrays, data)
    assert isinstance(arrays["b"]["e"], np.ndarray)


@pytest.mark.parametrize(
    ("number", "dtype"),
    [
        (np.float64(0.5), torch.float32),
        (0.5, torch.float32),
        (np.int64(2), torch.int64),
        (True, torch.bool),
    ],
)
def test_a_single_number_is_converted_by_the_same_rule(number, dtype):
    tensor = ptu.from_numpy(number)
    assert tensor.dtype == dtype
    assert tensor.item() == number


def test_gradient_is_left_behind():
    tensor = torch.ones(2, requires_grad=True) * 3
    np.testing.assert_array_equal(ptu.to_numpy({"a": tensor})["a"], [3.0, 3.0])


# The MLP


@settings(deadline=None)
@given(
    input_size=st.integers(1, 5),
    output_size=st.integers(1, 5),
    n_layers=st.integers(0, 4),
    size=st.integers(1, 6),
    batch_shape=st.lists(st.integers(1, 3), max_size=2),
)
def test_an_mlp_has_the_sizes_asked_for(input_size, output_size, n_layers, size, batch_shape):
    mlp = ptu.build_mlp(input_size, output_size, n_layers, size, "relu", "sigmoid")
    linears = [layer for layer in mlp if isinstance(layer, nn.Linear)]
    widths = [input_size, *[size] * n_layers, output_size]
    found = [(linear.in_features, linear.out_features) for linear in linears]
    assert found == list(zip(widths[:-1], widths[1:], strict=True))
    assert mlp(torch.zeros(*batch_shape, input_size)).shape == (*batch_shape, output_size)


def test_an_mlp_by_hand():
    """0.5 tanh(2 x + 1) - 3 through one hidden unit, then the output activation."""
    mlp = ptu.build_mlp(1, 1, 1, 1, activation="tanh", output_activation="softplus")
    weights = (
        torch.tensor([[2.0]]),
        torch.tensor([1.0]),
        torch.tensor([[0.5]]),
        -torch.tensor([3.0]),
    )
    with torch.no_grad():
        for parameter, value in zip(mlp.parameters(), weights, strict=True):
            parameter.copy_(value)
    x = torch.tensor([[-1.0], [0.3]])
    expected = torch.log1p(torch.exp(0.5 * torch.tanh(2 * x + 1) - 3))
    torch.testing.assert_close(mlp(x), expected)


def test_activations_stand_between_layers_and_the_output_is_linear_by_default():
    mlp = ptu.build_mlp(3, 2, n_layers=2, size=4)
    kinds = [type(layer) for layer in mlp]
    assert kinds == [nn.Linear, nn.Tanh, nn.Linear, nn.Tanh, nn.Linear]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("relu", 0.0),
        ("tanh", np.tanh(-2.0)),
        ("leaky_relu", -0.02),
        ("sigmoid", 1 / (1 + np.exp(2.0))),
        ("selu", 1.0507009873554805 * 1.6732632423543772 * (np.exp(-2.0) - 1)),
        ("softplus", np.log1p(np.exp(-2.0))),
        ("identity", -2.0),
    ],
)
def test_activations_at_minus_two(name, value):
    assert ptu.make_activation(name)(torch.tensor(-2.0)).item() == pytest.approx(value, rel=1e-5)


def test_an_unknown_activation_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'rleu'.*relu, tanh"):
        ptu.build_mlp(1, 1, 1, 1, activation="rleu")


# Fast products


def product_error(size, seed):
    a, b = torch.randn(2, size, size, generator=torch.Generator().manual_seed(seed))
    return ((a @ b).double() - a.double() @ b.double()).abs().max().item()


def test_fast_products_never_cost_accuracy():
    """Whatever this machine's kernels do: any gain in speed is enough, inaccuracy never is."""
    torch.backends.mkldnn.matmul.fp32_precision = "ieee"
    exact = product_error(200, seed=3)
    is_on = ptu.enable_fast_matmul(least_speedup=0.0)
    assert matmul_precision() == ("bf16" if is_on else "ieee")
    assert product_error(200, seed=3) < max(2 * exact, 1e-4)


def pretend_kernels(monkeypatch, seconds, rounds):
    """Let "bf16" products take these seconds, against 1, and round to bf16 or not."""
    clock = SimpleNamespace(now=0.0)
    multiply = torch.Tensor.__matmul__

    def matmul(a, b):
        is_permitted = matmul_precision() == "bf16"
        clock.now += seconds if is_permitted else 1.0
        dtype = a.dtype
        if is_permitted and rounds and dtype == torch.float32:
            a, b = a.bfloat16(), b.bfloat16()
        # In float64: where the machine has products of bfloat16, a permitted one is rounded.
        return multiply(a.double(), b.double()).to(dtype)

    monkeypatch.setattr(torch.Tensor, "__matmul__", matmul)
    monkeypatch.setattr(ptu, "time", SimpleNamespace(perf_counter=lambda: clock.now))


@pytest.mark.parametrize(
    ("seconds", "rounds", "expected"),
    [(0.5, False, True), (0.5, True, False), (0.99, False, False), (2.0, False, False)],
)
def test_a_kernel_is_kept_only_if_it_is_faster_and_as_accurate(
    monkeypatch, seconds, rounds, expected
):
    pretend_kernels(monkeypatch, seconds, rounds)
    assert ptu.enable_fast_matmul(size=64) == expected
    assert matmul_precision() == ("bf16" if expected else "ieee")
    assert run_dir.provenance()["cpu_matmul_precision"] == matmul_precision()


def test_cuda_products_are_left_alone():
    cuda = torch.backends.cuda.matmul
    before = cuda.fp32_precision
    try:
        for precision in ("tf32", "ieee"):
            cuda.fp32_precision = precision
            ptu.enable_fast_matmul(size=32)
            assert cuda.fp32_precision == precision
    finally:
        cuda.fp32_precision = before


def test_trying_kernels_draws_nothing_from_torchs_generator():
    before = torch.get_rng_state()
    ptu.enable_fast_matmul(size=32)
    assert torch.equal(torch.get_rng_state(), before)
