"""One update of SAC and one action: how near to what the machine's matrix products allow.

The limit is the time of an update's products alone, at the rate that products of this size reach
here; the share is what of an update's time that makes.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode
from turns import table

import hw.infrastructure.pytorch_util as ptu
from hw.env_configs.assemble import make_agent
from hw.env_configs.loading import bind

OBSERVATION_SIZE, ACTION_SIZE = 17, 6


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256], help="width and batch")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, torch.get_num_threads()])
    args = parser.parse_args()
    ptu.enable_fast_matmul()
    head = ["size", "threads", "products", "GFLOP an update", "GFLOP/s of products"]
    head += ["eager ms", "share", "compiled ms", "share", "action us, eager", "compiled"]
    rows = []
    for size in args.sizes:
        for num_threads in dict.fromkeys(args.threads):
            for products in ("float32", "bfloat16"):
                torch.set_num_threads(num_threads)
                rows.append(measure(size, num_threads, products))
                print(table(head, rows[-1:]), flush=True)
    print(table(head, rows))


def measure(size: int, num_threads: int, products: str) -> list[str]:
    """A line of the table."""
    agents = [make_sac(size, products) for _ in range(2)]
    agents[1].compiler.is_enabled = True
    batch = {
        "observations": torch.randn(size, OBSERVATION_SIZE),
        "actions": torch.rand(size, ACTION_SIZE) * 2 - 1,
        "rewards": torch.randn(size),
        "next_observations": torch.randn(size, OBSERVATION_SIZE),
        "dones": torch.zeros(size, dtype=torch.bool),
    }
    with FlopCounterMode(display=False) as counter:
        agents[0].update(**batch, step=1)
    num_flops = counter.get_total_flops()
    rate = product_rate(size, products)
    observation = batch["observations"][0].numpy()
    line = [str(size), str(num_threads), products, f"{num_flops / 1e9:.3f}", f"{rate / 1e9:.0f}"]
    actions = []
    for agent in agents:
        seconds = median_seconds(lambda agent=agent: agent.update(**batch, step=1), 300)
        line += [f"{seconds * 1e3:.2f}", f"{num_flops / rate / seconds:.0%}"]
        actions.append(median_seconds(lambda agent=agent: agent.get_action(observation), 1000))
    return line + [f"{seconds * 1e6:.0f}" for seconds in actions]


def make_sac(size: int, products: str) -> torch.nn.Module:
    """SAC for HalfCheetah's shapes with two layers of this width."""
    config = bind(
        {
            "base_config": "sac",
            "env_name": "HalfCheetah-v5",
            "total_steps": 1_000_000,
            "hidden_size": size,
            "num_layers": 2,
            "activation": "relu",
            "actor_gradient_type": "reparametrize",
            "num_critic_networks": 2,
            "target_critic_backup_type": "min",
            "use_soft_target_update": True,
            "learn_temperature": True,
            "products": products,
        }
    )
    envs = config.recipe.envs.make_evaluation_envs(1)
    return make_agent(config, envs)


def product_rate(size: int, products: str) -> float:
    """Floating-point operations a second of (size, size) products, in pairs as the critics'."""
    dtype = getattr(torch, products)
    a, b = torch.randn(2, 2, size, size).to(dtype)
    return 4 * size**3 / median_seconds(lambda: torch.bmm(a, b), 500)


def median_seconds(call: Callable[[], object], num_calls: int) -> float:
    """Of many calls, after a tenth as many."""
    seconds = []
    for i in range(-num_calls // 10, num_calls):
        started_at = time.perf_counter()
        call()
        if i >= 0:
            seconds.append(time.perf_counter() - started_at)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
