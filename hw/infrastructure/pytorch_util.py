"""The border between numpy and torch: the device, seeding, conversion, and a plain MLP."""

import contextlib
import math
import time
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import nn

from hw.infrastructure.errors import UserError

device = torch.device("cpu")
products: Literal["float32", "bfloat16"] = "float32"

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "leaky_relu": nn.LeakyReLU,
    "sigmoid": nn.Sigmoid,
    "selu": nn.SELU,
    "softplus": nn.Softplus,
    "identity": nn.Identity,
}


def init_gpu(use_gpu: bool = True, gpu_id: int | None = None) -> torch.device:
    """Choose the device that `from_numpy` and new networks use, and remember it.

    Args:
        use_gpu: False keeps everything on the CPU.
        gpu_id: which GPU; None takes the first one, or the CPU where there is no GPU.

    Returns:
        the device.

    Raises:
        UserError: a GPU was named that this machine does not have.
    """
    global device
    num_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not use_gpu or (gpu_id is None and num_gpus == 0):
        device = torch.device("cpu")
    elif gpu_id is not None and not 0 <= gpu_id < num_gpus:
        raise UserError(
            f"--which_gpu {gpu_id}: this machine has {num_gpus} CUDA device(s) that PyTorch can "
            "use; leave the flag out, or pass --no_gpu"
        )
    else:
        device = torch.device("cuda", gpu_id or 0)
    return device


class RunSeeds(NamedTuple):
    """One independent seed for each consumer of randomness in a run."""

    env: int
    action_space: int
    buffer: int
    torch: int
    evaluation: int


def split_seed(seed: int) -> RunSeeds:
    """Split a run's seed into independent ones, so that one consumer never shifts another's."""
    words = np.random.SeedSequence(seed).generate_state(len(RunSeeds._fields), np.uint64)
    return RunSeeds(*(int(word) for word in words))


def seed_torch(seed: int) -> None:
    """Seed torch's global generators, from which networks are initialised and actions sampled."""
    torch.manual_seed(seed % 2**63)


def torch_state() -> dict[str, Any]:
    """What torch keeps globally: its generators, and the kernel that multiplies matrices."""
    return {
        "cpu": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "cpu_matmul_precision": torch.backends.mkldnn.matmul.fp32_precision,
    }


def load_torch_state(state: dict[str, Any]) -> None:
    """Restore `torch_state()`; GPUs that are not there are passed over."""
    torch.set_rng_state(state["cpu"])
    if torch.cuda.is_available() and state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"][: torch.cuda.device_count()])
    torch.backends.mkldnn.matmul.fp32_precision = state["cpu_matmul_precision"]


def enable_fast_matmul(
    size: int = 256, tolerance: float = 1e-4, least_speedup: float = 1.5, num_trials: int = 40
) -> bool:
    """Let fp32 products on the CPU take another kernel, where that is much faster and as accurate.

    PyTorch's "bf16" precision permits bf16 products. On some CPUs it merely moves fp32 products
    to a faster kernel, on others it rounds them, on others again it gains nothing. So it is tried
    on a product of two standard normal (size, size) matrices, and kept if the largest error
    against float64 is below the tolerance and the kernel is faster by a wide margin: by the best
    of many timings in turn, on one thread, so that a busy machine does not decide. A run writes
    down the choice, and a resumed run keeps it. CUDA is left alone.

    Returns:
        whether the other kernel is on.
    """
    generator = torch.Generator().manual_seed(0)
    exact_a, exact_b = torch.randn(2, size, size, generator=generator, dtype=torch.float64)
    a, b = exact_a.float(), exact_b.float()
    seconds = {"ieee": math.inf, "bf16": math.inf}
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for _ in range(num_trials):
        for precision in seconds:
            torch.backends.mkldnn.matmul.fp32_precision = precision
            started_at = time.perf_counter()
            product = a @ b
            seconds[precision] = min(seconds[precision], time.perf_counter() - started_at)
    torch.set_num_threads(num_threads)
    error = (product.double() - exact_a @ exact_b).abs().max().item()
    is_kept = error < tolerance and seconds["ieee"] > least_speedup * seconds["bf16"]
    torch.backends.mkldnn.matmul.fp32_precision = "bf16" if is_kept else "ieee"
    return is_kept


def set_products(precision: Literal["float32", "bfloat16"]) -> None:
    """Choose in what precision backbones and critics multiply; see `chosen_products`."""
    global products
    products = precision


def chosen_products() -> contextlib.AbstractContextManager[Any]:
    """Within it, products and convolutions run in the precision given to `set_products`.

    bfloat16 keeps three significant digits. Weights, gradients and optimizers stay float32, and so
    does what is computed outside: the caller turns its result back to float32.
    """
    if products == "float32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, torch.bfloat16, cache_enabled=False)


def from_numpy(data: Any) -> Any:
    """Move an array, or a nested dict of arrays, to the device.

    float64 becomes float32; integers, booleans and uint8 keep their type. A GPU fetches it from
    pinned memory while the program goes on.
    """
    if isinstance(data, dict):
        return {key: from_numpy(value) for key, value in data.items()}
    tensor = torch.from_numpy(data) if isinstance(data, np.ndarray) else torch.as_tensor(data)
    if tensor.dtype == torch.float64:
        tensor = tensor.float()
    if tensor.device == device:
        return tensor
    if device.type == "cuda" and not tensor.is_cuda:
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def to_numpy(data: Any) -> Any:
    """Bring a tensor, or a nested dict of tensors, back as numpy arrays, without gradient."""
    if isinstance(data, dict):
        return {key: to_numpy(value) for key, value in data.items()}
    return data.numpy(force=True)


def make_activation(name: str) -> nn.Module:
    """An activation by name.

    Raises:
        ValueError: the name is not one of `ACTIVATIONS`.
    """
    if name not in ACTIVATIONS:
        raise ValueError(f"unknown activation {name!r}; choose from {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]()


def build_mlp(
    input_size: int,
    output_size: int,
    n_layers: int,
    size: int,
    activation: str = "tanh",
    output_activation: str = "identity",
) -> nn.Sequential:
    """A multilayer perceptron: (B, input_size) -> (B, output_size), for any leading shape B.

        h_0 = x,    h_i = activation(W_i h_{i-1} + b_i)   for i = 1 .. n_layers
        y = output_activation(W h_{n_layers} + b)

    Its layers stand in one `Sequential` in this order, linear maps with PyTorch's own
    initialisation and what `make_activation` gives, on the module's `device` at the time of the
    call.

    Args:
        n_layers: number of hidden layers; 0 gives one linear map.
        size: units in each hidden layer.
        activation, output_activation: names in `ACTIVATIONS`; `identity` may be left out.
    """
    layers: list[nn.Module] = []
    for _ in range(n_layers):
        layers += [nn.Linear(input_size, size), make_activation(activation)]
        input_size = size
    layers.append(nn.Linear(input_size, output_size))
    if output_activation != "identity":
        layers.append(make_activation(output_activation))
    return nn.Sequential(*layers).to(device)
