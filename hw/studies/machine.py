"""Threads, device and precision of a study's trials: chosen once, so that no trial differs."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Numerics:
    """What a trial's numbers depend on beside its settings.

    Args:
        num_threads: of each trial.
        use_gpu: train on a GPU where there is one.
        matmul_precision: of fp32 products on the CPU, see `enable_fast_matmul`.
        cpu: for which that was found to be accurate; another one takes the plain kernel.
    """

    num_threads: int
    use_gpu: bool
    matmul_precision: str
    cpu: str

    def apply(self) -> None:
        """Set up this process."""
        # Only here: a process that supervises trials needs no PyTorch.
        import torch

        import hw.infrastructure.pytorch_util as ptu

        torch.set_num_threads(self.num_threads)
        ptu.init_gpu(use_gpu=self.use_gpu)
        precision = self.matmul_precision if self.cpu == cpu_model() else "ieee"
        torch.backends.mkldnn.matmul.fp32_precision = precision


def choose_numerics(num_threads: int, use_gpu: bool) -> Numerics:
    """What suits this machine."""
    import torch

    import hw.infrastructure.pytorch_util as ptu

    ptu.enable_fast_matmul()
    precision = torch.backends.mkldnn.matmul.fp32_precision
    return Numerics(num_threads, use_gpu, precision, cpu_model())


def num_cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def cpu_model() -> str:
    """The processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # no Linux
    return platform.processor()
