"""Draws the figures of README.md and docs/results.md from the curves in docs/results/."""

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt

RESULTS = Path(__file__).parent / "results"
# file -> (title, label of each curve file, horizontal lines to compare with)
FIGURES = {
    "pendulum": (
        "Pendulum-v1",
        {"pendulum": "SAC, 10 seeds", "td3_pendulum": "TD3, 5 seeds"},
        {"near-optimal policy (-139)": -139.0},
    ),
    "invertedpendulum": (
        "InvertedPendulum-v5",
        {
            "invertedpendulum_reparametrize": "reparametrize, 5 seeds",
            "invertedpendulum_reinforce": "REINFORCE, 10 samples, 5 seeds",
        },
        {},
    ),
    "halfcheetah": (
        "HalfCheetah-v5",
        {
            "halfcheetah_autotune": "SAC, clipped double-Q, learned temperature, 1 seed",
            "ppo_halfcheetah": "PPO, 2 seeds",
        },
        {
            "CleanRL at 1M steps (9635)": 9635.0,
            "Tianshou at 1M steps (12139)": 12139.0,
        },
    ),
    "cartpole": (
        "CartPole-v1",
        {
            "ppo_cartpole": "PPO, 20 seeds",
            "dqn_cartpole": "DQN, 10 seeds",
            "pg_cartpole_baseline": "REINFORCE with a baseline, 5 seeds",
        },
        {},
    ),
    "gridworld": (
        "GridWorld-v0",
        {"pg_gridworld": "REINFORCE with a baseline, 5 seeds"},
        {"shortest path (9.3)": 9.3},
    ),
    "lunarlander": (
        "LunarLander-v3",
        {
            "dqn_lunarlander": "double DQN, 3-step targets, 3 seeds",
            "dqn_lunarlander_per": "with prioritised replay, 3 seeds",
        },
        {"solved (200)": 200.0},
    ),
}


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "figures")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for name, (title, curves, references) in FIGURES.items():
        figure, axes = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
        for i, (file, label) in enumerate(curves.items()):
            draw_curves(axes, read_curves(RESULTS / f"{file}.csv"), label, f"C{i}")
        for i, (label, value) in enumerate(references.items()):
            style = "--" if i == 0 else ":"
            axes.axhline(value, color="0.45", linestyle=style, linewidth=1, label=label)
        axes.set(title=title, xlabel="environment steps", ylabel="evaluation return")
        axes.xaxis.set_major_formatter(lambda step, _: f"{step / 1000:g}k")
        axes.grid(alpha=0.25)
        figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize="small")
        figure.savefig(args.out / f"{name}.png", dpi=140)
        plt.close(figure)


def read_curves(path: Path) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Seed -> (steps, returns)."""
    rows = defaultdict(list)
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            rows[int(row["seed"])].append((int(row["step"]), float(row["return_mean"])))
    return {seed: tuple(np.array(points).T) for seed, points in rows.items()}


def draw_curves(axes, curves, label: str, colour: str) -> None:
    """Each seed's curve thin, their mean thick."""
    for steps, returns in curves.values():
        axes.plot(steps, returns, color=colour, alpha=0.3 if len(curves) > 1 else 1, linewidth=1)
    shortest = min(len(steps) for steps, _ in curves.values())
    steps = next(iter(curves.values()))[0][:shortest]
    mean = np.mean([returns[:shortest] for _, returns in curves.values()], axis=0)
    axes.plot(steps, mean, color=colour, linewidth=2, label=label)


if __name__ == "__main__":
    main()
