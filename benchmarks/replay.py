"""Replay buffers beside Stable-Baselines3's and cpprb's: a full one of a million transitions.

All are measured in turn, many times over, in one process and on one thread; quote the ratios, which
are medians over the turns. Needs `pip install cpprb`.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import cpprb
import numpy as np
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer as PeerReplayBuffer

from hw.infrastructure.prioritized_replay import PrioritizedReplayBuffer
from hw.infrastructure.replay_buffer import ReplayBuffer

OBSERVATION_SIZE, ACTION_SIZE, BATCH_SIZE = 17, 6, 256
ALPHA, BETA, EPSILON = 0.6, 0.4, 1e-6
FILL_LANES = 1000


class Uniform:
    """Ours beside Stable-Baselines3's."""

    def __init__(self, capacity: int):
        self.ours, self.ours_bytes = fill_ours(ReplayBuffer(capacity), capacity)
        boxes = [spaces.Box(-1.0, 1.0, (size,)) for size in (OBSERVATION_SIZE, ACTION_SIZE)]
        self.theirs = PeerReplayBuffer(
            capacity, *boxes, device="cpu", handle_timeout_termination=True
        )
        for name in ("observations", "next_observations", "actions", "rewards"):
            getattr(self.theirs, name)[:] = 1.0
        self.theirs.dones[:] = self.theirs.timeouts[:] = 0.0
        self.theirs.full = True

        observations, actions, rewards, dones = transitions(1)
        infos = [{"TimeLimit.truncated": False}]
        self.rows: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
            f"uniform: sample {BATCH_SIZE}": (
                lambda: self.ours.sample(BATCH_SIZE),
                lambda: self.theirs.sample(BATCH_SIZE),
            ),
            "uniform: insert 1": (
                lambda: self.ours.insert(
                    observations, actions, rewards, observations, dones, dones
                ),
                lambda: self.theirs.add(observations, observations, actions, rewards, dones, infos),
            ),
        }


class Prioritized:
    """Ours beside cpprb's."""

    def __init__(self, capacity: int):
        self.ours, self.ours_bytes = fill_ours(
            PrioritizedReplayBuffer(capacity, priority_exponent=ALPHA, priority_epsilon=EPSILON),
            capacity,
        )
        fields = {
            "observations": {"shape": OBSERVATION_SIZE},
            "next_observations": {"shape": OBSERVATION_SIZE},
            "actions": {"shape": ACTION_SIZE},
            "rewards": {},
            "dones": {},
        }
        self.theirs = cpprb.PrioritizedReplayBuffer(capacity, fields, alpha=ALPHA, eps=EPSILON)
        for _ in range(capacity // FILL_LANES):
            self.add_theirs(*transitions(FILL_LANES))
        self.td_errors = np.random.default_rng(0).normal(size=(100, BATCH_SIZE)) ** 2
        self.turn = 0
        for _ in range(2000):  # priorities that differ
            self.sample_theirs()
            self.update_theirs()
            self.ours.sample(BATCH_SIZE, BETA)
            self.update_ours()

        one = transitions(1)
        observations, actions, rewards, dones = one
        self.rows = {
            f"prioritised: sample {BATCH_SIZE}": (
                lambda: self.ours.sample(BATCH_SIZE, BETA),
                self.sample_theirs,
            ),
            f"prioritised: update {BATCH_SIZE}": (self.update_ours, self.update_theirs),
            "prioritised: insert 1": (
                lambda: self.ours.insert(
                    observations, actions, rewards, observations, dones, dones
                ),
                lambda: self.add_theirs(*one),
            ),
            f"prioritised: insert 1, sample {BATCH_SIZE}, update {BATCH_SIZE}": (
                lambda: (
                    self.ours.insert(observations, actions, rewards, observations, dones, dones),
                    self.ours.sample(BATCH_SIZE, BETA),
                    self.update_ours(),
                ),
                lambda: (self.add_theirs(*one), self.sample_theirs(), self.update_theirs()),
            ),
        }

    def update_ours(self) -> None:
        """Update the last sample's priorities."""
        self.ours.update_priorities(self.next_errors())

    def add_theirs(
        self, observations: np.ndarray, actions: np.ndarray, rewards: np.ndarray, dones: np.ndarray
    ) -> None:
        """Insert into cpprb's."""
        self.theirs.add(
            observations=observations,
            next_observations=observations,
            actions=actions,
            rewards=rewards,
            dones=dones,
        )

    def sample_theirs(self) -> None:
        """Sample from cpprb's."""
        self.indexes = self.theirs.sample(BATCH_SIZE, beta=BETA)["indexes"]

    def update_theirs(self) -> None:
        """Update the last sample's priorities in cpprb's."""
        self.theirs.update_priorities(self.indexes, self.next_errors())

    def next_errors(self) -> np.ndarray:
        """TD errors (B,) that differ from call to call."""
        self.turn = (self.turn + 1) % len(self.td_errors)
        return self.td_errors[self.turn]


def transitions(num_lanes: int) -> tuple[np.ndarray, ...]:
    """Observations (N, 17), actions (N, 6), rewards (N,), dones (N,)."""
    random = np.random.default_rng(0)
    observations = random.random((num_lanes, OBSERVATION_SIZE), np.float32)
    actions = random.random((num_lanes, ACTION_SIZE), np.float32)
    return observations, actions, random.random(num_lanes, np.float32), np.zeros(num_lanes, bool)


def fill_ours(buffer: ReplayBuffer, capacity: int) -> tuple[ReplayBuffer, int]:
    """Fill the buffer; returns it and the resident bytes that it took."""
    observations, actions, rewards, dones = transitions(FILL_LANES)
    before = resident_bytes()
    for _ in range(capacity // FILL_LANES):
        buffer.insert(observations, actions, rewards, observations, dones, dones)
    return buffer, resident_bytes() - before


def resident_bytes() -> int:
    """Physical memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def microseconds(call: Callable[[], object], num_calls: int) -> float:
    """Mean time of one call."""
    started_at = time.perf_counter()
    for _ in range(num_calls):
        call()
    return (time.perf_counter() - started_at) / num_calls * 1e6


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--capacity", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=50, help="turns of each")
    parser.add_argument("--calls", type=int, default=20, help="calls in a turn")
    args = parser.parse_args()

    uniform, prioritized = Uniform(args.capacity), Prioritized(args.capacity)
    rows = uniform.rows | prioritized.rows
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in rows}
    for turn in range(-1, args.rounds):
        for name, calls in rows.items():
            pair = tuple(microseconds(call, args.calls) for call in calls)
            if turn >= 0:
                times[name].append(pair)

    print("| us, median (min to max) | ours | theirs | theirs / ours |")
    print("|---|---|---|---|")
    for name, pairs in times.items():
        texts = [
            f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"
            for values in zip(*pairs, strict=True)
        ]
        peer = "SB3" if name in uniform.rows else "cpprb"
        ratio = statistics.median(theirs / ours for ours, theirs in pairs)
        print(f"| {name} | {texts[0]} | {peer} {texts[1]} | {ratio:.2f}x |")
    array_bytes = args.capacity * (4 * (2 * OBSERVATION_SIZE + ACTION_SIZE + 1) + 2)
    print(
        f"\nResident bytes of {args.capacity} transitions over those of their arrays: "
        f"{uniform.ours_bytes / array_bytes:.3f}"
    )


if __name__ == "__main__":
    main()
