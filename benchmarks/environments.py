"""Environment steps a second: sync, async, native and EnvPool, beside what they are made of.

All contenders of a case take turns in one process: quote the ratios. What needs a package that is
not installed is left out. N environments are driven by actions that were drawn before.
"""

import argparse
import statistics
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from turns import paired, spread, table, take_turns

from hw.envs.make_env import EnvFactory, make_env
from hw.infrastructure.env_runner import EnvRunner
from hw.infrastructure.errors import ConfigError

KINDS = ("sync", "async", "native", "envpool")
BARE = {
    "sync": "SyncVectorEnv",
    "async": "AsyncVectorEnv",
    "native": "its author's",
    "envpool": "EnvPool",
}


@dataclass(frozen=True)
class Case:
    """One table.

    Args:
        env_name: Gymnasium's.
        num_envs: N.
        kinds: those that make sense, or exist.
        num_steps: vector steps of a turn, by kind.
        wrappers: of the environments.
    """

    env_name: str
    num_envs: int
    kinds: tuple[str, ...]
    num_steps: dict[str, int]
    wrappers: list[Any] = field(default_factory=list)


CASES = {
    "cartpole4": Case(
        "CartPole-v1", 4, KINDS, {"sync": 1500, "async": 150, "native": 1500, "envpool": 1500}
    ),
    "cartpole64": Case(
        "CartPole-v1",
        64,
        ("sync", "native", "envpool"),
        {"sync": 150, "native": 600, "envpool": 600},
    ),
    "halfcheetah8": Case(
        "HalfCheetah-v5",
        8,
        ("sync", "async", "envpool"),
        {"sync": 200, "async": 120, "envpool": 500},
    ),
    "pong8": Case(
        "ALE/Pong-v5",
        8,
        KINDS,
        {"sync": 50, "async": 50, "native": 100, "envpool": 100},
        [{"atari": {}}],
    ),
}


def main() -> None:
    """Measure and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="comma-separated: " + ", ".join(CASES))
    parser.add_argument("--rounds", type=int, default=15, help="turns of each contender")
    args = parser.parse_args()
    names = args.only.split(",") if args.only else list(CASES)
    unknown = set(names) - set(CASES)
    if unknown:
        parser.error(f"unknown {', '.join(sorted(unknown))}; choose from {', '.join(CASES)}")
    warnings.simplefilter("ignore")  # EnvPool's and Gymnasium's, of bounds' precision
    for name in names:
        case = CASES[name]
        print(f"\n{case.env_name}, {case.num_envs} environments\n")
        print(measure(case, args.rounds), flush=True)


def measure(case: Case, rounds: int) -> str:
    """The case's table."""
    contenders: dict[str, Callable[[], None]] = {}
    opened: list[VectorEnv | EnvRunner] = []
    for kind in case.kinds:
        try:
            runner = make_runner(case, kind)
        except ConfigError as error:
            print(f"{kind} is left out: {error}\n")
            continue
        bare = make_bare(case, kind)
        opened += [runner, bare]
        num_steps = case.num_steps[kind]
        space = runner.envs.action_space
        space.seed(0)
        actions = [space.sample() for _ in range(50)]
        contenders[f"{kind} bare"] = drive_bare(bare, actions, num_steps)
        contenders[f"{kind} runner"] = drive_runner(runner, actions, num_steps)
    seconds = take_turns(contenders, rounds)
    for each in opened:
        each.close()
    return results(case, seconds)


def make_runner(case: Case, kind: str) -> EnvRunner:
    """Ours."""
    factory = EnvFactory(case.env_name, wrappers=case.wrappers, vectorization=kind)
    return EnvRunner(factory.make_training_envs(case.num_envs), seed=0)


def make_bare(case: Case, kind: str) -> VectorEnv:
    """What it is made of, which resets by itself if it can do that."""
    if kind == "envpool":
        import envpool

        name = case.env_name.removeprefix("ALE/")
        return envpool.make_gymnasium(name, num_envs=case.num_envs, seed=0)
    if kind == "native" and case.wrappers:
        from ale_py.vector_env import AtariVectorEnv

        return AtariVectorEnv("pong", case.num_envs, reward_clipping=False)
    if kind == "native":
        return gym.make_vec(case.env_name, case.num_envs, vectorization_mode="vector_entry_point")

    def make_one() -> gym.Env:
        if case.wrappers:
            return make_env(case.env_name, wrappers=case.wrappers)
        return gym.make(case.env_name, disable_env_checker=True)

    make = {"sync": SyncVectorEnv, "async": AsyncVectorEnv}[kind]
    return make([make_one] * case.num_envs, autoreset_mode=AutoresetMode.DISABLED)


def drive_bare(envs: VectorEnv, actions: list[np.ndarray], num_steps: int) -> Callable[[], None]:
    """Steps, and resets of what ended where nobody else does them."""
    resets_itself = envs.metadata["autoreset_mode"] is not AutoresetMode.DISABLED
    envs.reset()

    def drive() -> None:
        for action in islice(cycle(actions), num_steps):
            _, _, dones, truncateds, _ = envs.step(action)
            ended = dones | truncateds
            if not resets_itself and ended.any():
                envs.reset(options={"reset_mask": ended})

    return drive


def drive_runner(
    runner: EnvRunner, actions: list[np.ndarray], num_steps: int
) -> Callable[[], None]:
    """Steps of a runner, which resets what ended."""
    runner.reset()

    def drive() -> None:
        for action in islice(cycle(actions), num_steps):
            runner.step(action)

    return drive


def results(case: Case, seconds: dict[str, list[float]]) -> str:
    """Speeds of both, and their ratio, by kind."""
    steps = {
        name: [case.num_steps[name.split()[0]] * case.num_envs / value for value in values]
        for name, values in seconds.items()
    }
    per_step = {
        name: [case.num_envs / value * 1e6 for value in values] for name, values in steps.items()
    }
    rows = []
    for kind in case.kinds:
        if f"{kind} bare" not in steps:
            continue
        bare, ours = f"{kind} bare", f"{kind} runner"
        more = (a - b for a, b in zip(per_step[ours], per_step[bare], strict=True))
        rows.append(
            [
                f"`{kind}`",
                spread(steps[ours]),
                f"{BARE[kind]}: {spread(steps[bare])}",
                f"{paired(steps[ours], steps[bare]):.2f}",
                f"{statistics.median(more):+.0f}",
            ]
        )
    head = ["kind", "EnvRunner, steps/s", "bare, steps/s", "ratio", "us more a vector step"]
    return table(head, rows)


if __name__ == "__main__":
    main()
