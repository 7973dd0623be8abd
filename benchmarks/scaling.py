"""How the cost of a training step grows: with width, batch, environments and the buffer's size.

SAC on HalfCheetah's shapes, two layers; one thing is changed at a time. Every point is a median of
many calls, and the points of a curve are visited in turn, several times over.
"""

import argparse
import functools
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from turns import take_turns
from update import ACTION_SIZE, OBSERVATION_SIZE, make_sac

from hw.infrastructure.replay_buffer import ReplayBuffer

WIDTHS = [32, 64, 128, 256, 512]
BATCHES = [32, 64, 128, 256, 512, 1024]
NUM_ENVS = [1, 4, 16, 64, 256]
CAPACITIES = [1_000, 10_000, 100_000, 1_000_000]


@dataclass(frozen=True)
class Repeated:
    """A call many times over, as one turn."""

    call: Callable[[], object]
    times: int = 10

    def __call__(self) -> None:
        """Take the turn."""
        for _ in range(self.times):
            self.call()


def main() -> None:
    """Measure and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/figures/scaling.png"))
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    panels = {
        "width of two layers (batch 256)": [
            (mode, WIDTHS, [updates(size, 256, mode) for size in WIDTHS])
            for mode in ("eager", "compiled")
        ],
        "batch (2x256)": [
            (mode, BATCHES, [updates(256, size, mode) for size in BATCHES])
            for mode in ("eager", "compiled")
        ],
        "observations acted on at once (2x256)": [
            (mode, NUM_ENVS, [actions(number, mode) for number in NUM_ENVS])
            for mode in ("eager", "compiled")
        ],
        "transitions in the buffer (256 sampled)": [
            ("sample", CAPACITIES, [samples(capacity) for capacity in CAPACITIES])
        ],
    }
    results = {
        title: [(label, xs, medians(calls, args.rounds)) for label, xs, calls in lines]
        for title, lines in panels.items()
    }
    for title, lines in results.items():
        for label, xs, seconds in lines:
            points = ", ".join(f"{x}: {s * 1e6:.0f}" for x, s in zip(xs, seconds, strict=True))
            print(f"{title}, {label}, us: {points}")
    draw(results, args.out)


def updates(width: int, batch_size: int, mode: str) -> Repeated:
    """Updates of an agent."""
    agent = make_sac(width, "float32")
    agent.compiler.is_enabled = mode == "compiled"
    batch = {
        "observations": torch.randn(batch_size, OBSERVATION_SIZE),
        "actions": torch.rand(batch_size, ACTION_SIZE) * 2 - 1,
        "rewards": torch.randn(batch_size),
        "next_observations": torch.randn(batch_size, OBSERVATION_SIZE),
        "dones": torch.zeros(batch_size, dtype=torch.bool),
    }
    return Repeated(functools.partial(agent.update, **batch, step=1))


def actions(num_envs: int, mode: str) -> Repeated:
    """Actions in each environment."""
    agent = make_sac(256, "float32")
    agent.compiler.is_enabled = mode == "compiled"
    observations = np.zeros((num_envs, OBSERVATION_SIZE), np.float32)
    return Repeated(functools.partial(agent.get_action, observations))


def samples(capacity: int) -> Repeated:
    """Samples from a full buffer: so many that the first turns touch every page of it."""
    buffer, lanes = ReplayBuffer(capacity), 1000
    observations = np.zeros((lanes, OBSERVATION_SIZE), np.float32)
    action = np.zeros((lanes, ACTION_SIZE), np.float32)
    reward, done = np.zeros(lanes, np.float32), np.zeros(lanes, bool)
    for _ in range(capacity // lanes):
        buffer.insert(observations, action, reward, observations, done)
    return Repeated(functools.partial(buffer.sample, 256), times=1000)


def medians(calls: list[Repeated], rounds: int) -> list[float]:
    """Seconds of each call."""
    found = take_turns({str(i): call for i, call in enumerate(calls)}, rounds, warm_ups=2)
    return [
        statistics.median(seconds) / call.times
        for call, seconds in zip(calls, found.values(), strict=True)
    ]


def draw(results: dict[str, list[tuple[str, list[int], list[float]]]], path: Path) -> None:
    """A panel for each thing that grows."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

    figure, grid = plt.subplots(2, 2, figsize=(9, 6), layout="constrained")
    for axes, (title, lines) in zip(grid.flat, results.items(), strict=True):
        for label, xs, seconds in lines:
            axes.plot(xs, [s * 1e6 for s in seconds], "o-", label=label)
        axes.set(xscale="log", yscale="log", xlabel=title, ylabel="microseconds")
        axes.set_xticks(lines[0][1], [f"{x:,}".replace(",", " ") for x in lines[0][1]])
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_minor_locator(NullLocator())
        lowest, highest = axes.get_ylim()
        axes.set_ylim(lowest / 1.3, highest * 1.3)  # so that a flat curve looks flat
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    figure.savefig(path, dpi=140, metadata={"Software": None})


if __name__ == "__main__":
    main()
