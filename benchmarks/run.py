"""Training speed beside Stable-Baselines3, side by side in one run.

Each library trains in a process of its own, and they take turns at short chunks of steps, so that a
machine whose speed drifts slows all alike. Settings are equal: the same environment, networks and
batch, as many environments and updates, every thread that the machine has. Quote the ratios.
"""

import argparse
import statistics
import subprocess
import sys
from pathlib import Path

from cases import CASES

WORKERS = {
    "ours": "ours.py",
    "ours, compiled": "ours.py",
    "Stable-Baselines3": "peer_stable_baselines3.py",
}


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="comma-separated: " + ", ".join(CASES))
    parser.add_argument("--chunk_seconds", type=float, default=1.0, help="about one turn's length")
    parser.add_argument("--rounds", type=int, default=15, help="turns of each library")
    args = parser.parse_args()
    names = args.only.split(",") if args.only else list(CASES)
    unknown = set(names) - set(CASES)
    if unknown:
        parser.error(f"unknown {', '.join(sorted(unknown))}; choose from {', '.join(CASES)}")
    for case in names:
        print(f"\n{CASES[case].title}\n")
        print(f"| {'library':18} | steps/s, median | min to max | ours beside it |")
        print("|---|---|---|---|")
        speeds = measure(case, args.chunk_seconds, args.rounds)
        for name, values in speeds.items():
            print(
                f"| {name:18} | {statistics.median(values):.0f} "
                f"| {min(values):.0f} to {max(values):.0f} | {ratios(speeds, name)} |",
                flush=True,
            )


def ratios(speeds: dict[str, list[float]], name: str) -> str:
    """Median, over the turns, of our two speeds over this one."""
    if name.startswith("ours"):
        return "-"
    texts = []
    for ours in ("ours", "ours, compiled"):
        pairs = zip(speeds[ours], speeds[name], strict=True)
        texts.append(f"{ours}: {statistics.median(a / b for a, b in pairs):.2f}x")
    return "; ".join(texts)


def measure(case: str, chunk_seconds: float, rounds: int) -> dict[str, list[float]]:
    """Steps per second of each library at each of its turns."""
    multiple = CASES[case].multiple
    workers = {name: start(name, script, case) for name, script in WORKERS.items()}
    try:
        chunk = dict.fromkeys(workers, max(100, multiple))
        speeds: dict[str, list[float]] = {name: [] for name in workers}
        for turn in range(-1, rounds):
            for name, worker in workers.items():
                speed = chunk[name] / take_turn(worker, chunk[name])
                chunk[name] = max(20, round(speed * chunk_seconds / multiple) * multiple)
                if turn >= 0:
                    speeds[name].append(speed)
        return speeds
    finally:
        for worker in workers.values():
            worker.kill()


def start(name: str, script: str, case: str) -> subprocess.Popen[str]:
    """Start a library's worker, and wait until it has warmed up."""
    worker = subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / script), case, str("compiled" in name)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    take_turn(worker, max(20, CASES[case].multiple))
    return worker


def take_turn(worker: subprocess.Popen[str], num_steps: int) -> float:
    """Let a worker train for so many steps; returns the seconds it took."""
    worker.stdin.write(f"{num_steps}\n")
    worker.stdin.flush()
    for line in worker.stdout:
        if line.startswith("seconds "):
            return float(line.split()[1])
    raise SystemExit("a worker ended early; run it by itself to see why")


if __name__ == "__main__":
    main()
