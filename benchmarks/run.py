"""Training speed beside Stable-Baselines3 (PyTorch) and SBX (JAX), side by side in one run.

Each library trains in a process of its own, and they take turns at short chunks of steps, so that a
machine whose speed drifts slows all alike. Settings are equal: the same environment, networks and
batch, as many environments and updates, the same cores, of which each library takes as many as it
chooses to, or the first GPU. Quote the ratios.
"""

import argparse
import math
import subprocess
import sys
from pathlib import Path

import torch
from cases import CASES
from turns import paired, spread, table

HERE = Path(__file__).parent
SBX_PYTHON = HERE.parent / ".venv-sbx/bin/python"
OURS = ("ours, eager", "ours, compiled", "ours, bfloat16")


# What starts each library's worker; the device's and the case's names come last.
CONTENDERS = {
    "ours, eager": [sys.executable, HERE / "ours.py", "eager"],
    "ours, compiled": [sys.executable, HERE / "ours.py", "compiled"],
    "ours, bfloat16": [sys.executable, HERE / "ours.py", "bfloat16"],
    "Stable-Baselines3": [sys.executable, HERE / "peer_stable_baselines3.py"],
    "SBX": [SBX_PYTHON, HERE / "peer_sbx.py"],
}


def main() -> None:
    """Measure and print a table for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="comma-separated: " + ", ".join(CASES))
    parser.add_argument("--chunk_seconds", type=float, default=1.0, help="about one turn's length")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each library")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where all learn")
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: PyTorch finds no GPU here")
    names = args.only.split(",") if args.only else list(CASES)
    unknown = set(names) - set(CASES)
    if unknown:
        parser.error(f"unknown {', '.join(sorted(unknown))}; choose from {', '.join(CASES)}")
    contenders = {name: [*command, args.device] for name, command in CONTENDERS.items()}
    if args.device == "cuda":
        del contenders["SBX"]
        print("SBX is left out: its environment has JAX for the CPU")
    elif not SBX_PYTHON.exists():
        del contenders["SBX"]
        print("SBX is left out: `make bench` installs it in an environment of its own")
    for case in names:
        speeds, mebibytes = measure(case, contenders, args.chunk_seconds, args.rounds)
        print(f"\n{CASES[case].title}\n")
        head = ["", "steps/s, median (min to max)", *(f"{name} / this" for name in OURS), "MiB"]
        print(table(head, [row(name, speeds, mebibytes[name]) for name in contenders]), flush=True)


def row(name: str, speeds: dict[str, list[float]], mebibytes: int) -> list[str]:
    """A library's line: speed, how many times as fast ours are, peak memory."""
    ratios = ["" if name in OURS else f"{paired(speeds[our], speeds[name]):.2f}" for our in OURS]
    return [name, spread(speeds[name]), *ratios, str(mebibytes)]


def measure(
    case: str, contenders: dict[str, list[Path | str]], chunk_seconds: float, rounds: int
) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Steps per second of each library at each of its turns, and its peak memory in MiB."""
    multiple = CASES[case].multiple
    workers = {name: start(command, case) for name, command in contenders.items()}
    try:
        chunk = dict.fromkeys(workers, max(100, multiple))
        speeds: dict[str, list[float]] = {name: [] for name in workers}
        for turn in range(-2, rounds):
            for name, worker in workers.items():
                speed = chunk[name] / take_turn(worker, chunk[name])
                num_chunks = round(speed * chunk_seconds / multiple)
                chunk[name] = max(math.ceil(20 / multiple), num_chunks) * multiple
                if turn >= 0:
                    speeds[name].append(speed)
        return speeds, {name: peak_mebibytes(worker.pid) for name, worker in workers.items()}
    finally:
        for worker in workers.values():
            worker.kill()


def start(command: list[Path | str], case: str) -> subprocess.Popen[str]:
    """Start a library's worker, and wait until it has warmed up."""
    worker = subprocess.Popen(
        [*command, case],
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
    raise SystemExit(f"{' '.join(map(str, worker.args))} ended early; run it by itself to see why")


def peak_mebibytes(pid: int) -> int:
    """The most memory that a process has held so far."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


if __name__ == "__main__":
    main()
