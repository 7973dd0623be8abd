"""The harness at work: environments in parallel, a random policy, a replay buffer.

It measures how fast steps are collected, what the buffer takes and how fast it is sampled, and how
long environments wait for each other. Everything takes turns in one process: quote the ratios.
It needs the extra plots. Shapes: N environments.
"""

import argparse
import gc
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import matplotlib as mpl
import numpy as np
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from turns import paired, spread, table, take_turns

from hw.envs.make_env import EnvFactory
from hw.envs.vectorization import make_async, make_sync
from hw.infrastructure.env_runner import EnvRunner
from hw.infrastructure.replay_buffer import ReplayBuffer

mpl.use("Agg")
import matplotlib.pyplot as plt

ENV_NAME = "CartPole-v1"
VECTOR_STEPS = {4: 1000, 64: 100, 1024: 8}  # of a turn
ASYNC_ENVS = 4  # more processes than that only wait for two cores
BARE = {"sync": "SyncVectorEnv", "async": "AsyncVectorEnv", "native": "CartPoleVectorEnv"}
BATCH_SIZE = 256
FILLS = (4_000, 100_000, 1_000_000)
COLORS = {"bare": "#b8bcc4", "runner": "#2f6db5", "buffer": "#123a66", "wait": "#e0a33a"}

Times = dict[str, list[float]]


def main() -> None:
    """Measure, print tables, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("data"), help="folder of harness.png")
    parser.add_argument("--rounds", type=int, default=21, help="turns of each contender")
    args = parser.parse_args()

    buffers, memory = measure_memory()
    collection = {num_envs: measure_collection(num_envs, args.rounds) for num_envs in VECTOR_STEPS}
    sampling = measure_sampling(buffers, args.rounds)
    waiting = {cost: measure_waiting(cost, args.rounds) for cost in ("sleeps", "computes")}

    print(f"\nCollecting {ENV_NAME} with a random policy\n")
    print(collection_table(collection))
    print("\nThe buffer's memory\n")
    print(table(["transitions", "arrays, MB", "bytes each", "growth of the process, MB"], memory))
    print(f"\nSampling {BATCH_SIZE} transitions\n")
    print(sampling_table(sampling))
    print(f"\n{ASYNC_ENVS} environments whose steps take 2 ms on average, exponentially spread\n")
    print(waiting_table(waiting))
    args.out.mkdir(parents=True, exist_ok=True)
    draw(collection, sampling, waiting, args.out / "harness.png")
    print(f"\n{args.out / 'harness.png'}")


# Collection


def measure_collection(num_envs: int, rounds: int) -> Times:
    """Seconds of a vector step, by contender: `kind bare`, `kind runner`, `kind buffer`."""
    kinds = ("sync", "native", "async") if num_envs <= ASYNC_ENVS else ("sync", "native")
    num_steps = VECTOR_STEPS[num_envs]
    contenders, opened = {}, []
    for kind in kinds:
        bare = make_bare(kind, num_envs)
        factory = EnvFactory(ENV_NAME, vectorization=kind)
        runners = [EnvRunner(factory.make_training_envs(num_envs), seed=0) for _ in range(2)]
        opened += [bare, *runners]
        contenders[f"{kind} bare"] = collector_of_bare(bare, num_steps)
        contenders[f"{kind} runner"] = collector(runners[0], num_steps, None)
        contenders[f"{kind} buffer"] = collector(runners[1], num_steps, ReplayBuffer(1_000_000))
    seconds = take_turns(contenders, rounds)
    for each in opened:
        each.close()
    return {name: [value / num_steps for value in values] for name, values in seconds.items()}


def make_bare(kind: str, num_envs: int) -> VectorEnv:
    """Gymnasium's own."""
    if kind == "native":
        return gym.make_vec(ENV_NAME, num_envs, vectorization_mode="vector_entry_point")
    make = {"sync": SyncVectorEnv, "async": AsyncVectorEnv}[kind]
    return make([make_one] * num_envs, autoreset_mode=AutoresetMode.DISABLED)


def make_one() -> gym.Env:
    """A single environment, as `EnvFactory` asks Gymnasium for it."""
    return gym.make(ENV_NAME, disable_env_checker=True)


def collector_of_bare(envs: VectorEnv, num_steps: int) -> Callable[[], None]:
    """Steps, and resets of what ended where nobody else does them."""
    generator = np.random.default_rng(0)
    resets_itself = envs.metadata["autoreset_mode"] is not AutoresetMode.DISABLED
    envs.reset(seed=0)

    def collect() -> None:
        for _ in range(num_steps):
            _, _, dones, truncateds, _ = envs.step(generator.integers(2, size=envs.num_envs))
            ended = dones | truncateds
            if not resets_itself and ended.any():
                envs.reset(options={"reset_mask": ended})

    return collect


def collector(runner: EnvRunner, num_steps: int, buffer: ReplayBuffer | None) -> Callable[[], None]:
    """Steps of a runner, and its transitions into a buffer."""
    generator = np.random.default_rng(0)
    runner.reset()

    def collect() -> None:
        for _ in range(num_steps):
            transitions, _ = runner.step(generator.integers(2, size=runner.num_envs))
            if buffer is not None:
                buffer.insert(
                    transitions.observations,
                    transitions.actions,
                    transitions.rewards,
                    transitions.next_observations,
                    transitions.dones,
                    transitions.truncateds,
                )

    return collect


def collection_table(collection: dict[int, Times]) -> str:
    """Speeds, and what the runner costs beside the bare environments."""
    rows = []
    for num_envs, times in collection.items():
        for name, values in times.items():
            kind, what = name.split()
            label = {
                "bare": f"Gymnasium's {BARE[kind]}",
                "runner": f"EnvRunner, {kind}",
                "buffer": f"EnvRunner, {kind}, into a ReplayBuffer",
            }[what]
            bare = times[f"{kind} bare"]
            more = statistics.median(a - b for a, b in zip(values, bare, strict=True)) * 1e6
            rows.append(
                [
                    str(num_envs),
                    label,
                    spread([num_envs / value for value in values]),
                    f"{statistics.median(values) * 1e6:.1f}",
                    "" if what == "bare" else f"{more:+.1f}",
                    "" if what == "bare" else f"{1 / paired(values, bare):.2f}",
                ]
            )
    head = ["N", "what", "steps/s", "us a vector step", "us more than bare", "speed beside bare"]
    return table(head, rows)


# The buffer


def measure_memory() -> tuple[dict[int, ReplayBuffer], list[list[str]]]:
    """Buffers of several sizes, all full, and what they take."""
    buffers, rows = {}, []
    for size in FILLS:
        gc.collect()
        before = resident_bytes()
        buffers[size] = fill(ReplayBuffer(size), size)
        gc.collect()
        arrays = array_bytes(buffers[size])
        growth = "not measured"
        if before is not None:
            growth = f"{(resident_bytes() - before) / 1e6:.1f}"
        rows.append([f"{size:,}".replace(",", " "), f"{arrays / 1e6:.1f}", f"{arrays / size:.1f}"])
        rows[-1].append(growth)
    return buffers, rows


def fill(buffer: ReplayBuffer, size: int, num_lanes: int = 1000) -> ReplayBuffer:
    """Insert `size` made-up transitions."""
    generator = np.random.default_rng(0)
    observations = generator.normal(size=(num_lanes, 4)).astype(np.float32)
    actions = generator.integers(2, size=num_lanes)
    rewards, dones = np.ones(num_lanes), generator.random(num_lanes) < 0.05
    for _ in range(size // num_lanes):
        buffer.insert(observations, actions, rewards, observations, dones)
    return buffer


def resident_bytes() -> int | None:
    """Memory of this process, where the system tells it as Linux does."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def array_bytes(root: object) -> int:
    """Bytes of all arrays that an object holds, at any depth."""
    total, seen, waiting = 0, set(), [root]
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, np.ndarray):
            if value.base is not None:
                waiting.append(value.base)
            else:
                total += value.nbytes
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list | tuple):
            waiting += value
        elif hasattr(value, "__dict__"):
            waiting += vars(value).values()
    return total


def measure_sampling(buffers: dict[int, ReplayBuffer], rounds: int) -> Times:
    """Seconds of a batch, by the buffer's size."""
    num_batches = 300

    def sampler(buffer: ReplayBuffer) -> Callable[[], None]:
        def sample() -> None:
            for _ in range(num_batches):
                buffer.sample(BATCH_SIZE)

        return sample

    contenders = {str(size): sampler(buffer) for size, buffer in buffers.items()}
    seconds = take_turns(contenders, rounds)
    return {name: [value / num_batches for value in values] for name, values in seconds.items()}


def sampling_table(sampling: Times) -> str:
    """Microseconds and samples a second."""
    rows = [
        [
            f"{int(size):,}".replace(",", " "),
            spread([value * 1e6 for value in values], digits=1),
            f"{BATCH_SIZE / statistics.median(values) / 1e6:.1f} million",
        ]
        for size, values in sampling.items()
    ]
    return table(["transitions held", "us a batch", "samples/s"], rows)


# Synchronisation


class VariableCost(gym.Env):
    """A step takes an exponentially distributed time, of 2 ms on average, and says how long.

    Args:
        how: "sleeps", as one waits for another machine, or "computes", as a simulator does.
    """

    observation_space = Box(-1.0, 1.0, (1,))
    action_space = Discrete(2)
    mean_seconds = 2e-3

    def __init__(self, how: str):
        self.how = how

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin."""
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Take time; the info holds the seconds."""
        started_at = time.perf_counter()
        cost = float(self.np_random.exponential(self.mean_seconds))
        if self.how == "sleeps":
            time.sleep(cost)
        else:
            started_computing_at = time.thread_time()
            while time.thread_time() - started_computing_at < cost:
                pass
        seconds = time.perf_counter() - started_at
        return np.zeros(1, np.float32), 0.0, False, False, {"seconds": seconds}


def measure_waiting(cost: str, rounds: int) -> dict[str, list[list[float]]]:
    """By kind, for each round: seconds of a vector step, mean and greatest of its N steps."""
    num_steps = 40
    kinds = {
        kind: make(lambda: VariableCost(cost), ASYNC_ENVS, env_name="VariableCost")
        for kind, make in (("sync", make_sync), ("async", make_async))
    }
    results: dict[str, list[list[float]]] = {kind: [] for kind in kinds}
    actions = np.zeros(ASYNC_ENVS, np.int64)
    for kind, envs in kinds.items():
        envs.reset(seed=list(range(ASYNC_ENVS)))
        results[kind] = []
    for _ in range(max(1, rounds // 2)):
        for kind, envs in kinds.items():
            own = np.zeros((num_steps, ASYNC_ENVS))
            started_at = time.perf_counter()
            for step in range(num_steps):
                own[step] = envs.step(actions)[4]["seconds"]
            whole = (time.perf_counter() - started_at) / num_steps
            results[kind].append([whole, float(own.mean()), float(own.max(axis=1).mean())])
    for envs in kinds.values():
        envs.close()
    return results


def shares(whole: float, mean: float, slowest: float, kind: str) -> tuple[float, float]:
    """What part of the time an environment is at work, and waits for the slowest or its turn."""
    busy = mean / whole
    waits = (1.0 - busy) if kind == "sync" else (slowest - mean) / whole
    return busy, min(waits, 1.0 - busy)


def waiting_table(waiting: dict[str, dict[str, list[list[float]]]]) -> str:
    """How an environment spends its time."""
    rows = []
    for cost, kinds in waiting.items():
        for kind, rounds in kinds.items():
            found = [shares(*values, kind) for values in rounds]
            busy = [one for one, _ in found]
            waits = [other for _, other in found]
            rest = [1.0 - one - other for one, other in found]
            rows.append(
                [
                    cost,
                    kind,
                    spread([values[0] * 1e3 for values in rounds], digits=1),
                    *(spread([100 * v for v in values]) for values in (busy, waits, rest)),
                ]
            )
    head = [
        "a step",
        "kind",
        "ms a vector step",
        "at work, %",
        "waits for others, %",
        "the rest, %",
    ]
    return table(head, rows)


# The picture


def draw(
    collection: dict[int, Times],
    sampling: Times,
    waiting: dict[str, dict[str, list[list[float]]]],
    path: Path,
) -> None:
    """Four panels: speed by N, microseconds of a vector step, sampling, waiting."""
    plt.rcParams.update(
        {
            "font.size": 10,
            "axes.titlesize": 10.5,
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
    )
    figure, axes = plt.subplots(2, 2, figsize=(11, 7.6), layout="constrained")
    draw_speeds(axes[0, 0], collection)
    draw_costs(axes[0, 1], collection[min(collection)])
    draw_sampling(axes[1, 0], sampling)
    draw_waiting(axes[1, 1], waiting)
    for ax in axes.flat:
        ax.set_axisbelow(True)
    figure.savefig(path, dpi=140)
    plt.close(figure)


def draw_speeds(ax: plt.Axes, collection: dict[int, Times]) -> None:
    """Steps a second by the number of environments."""
    styles = {"bare": ("o--", "bare Gymnasium"), "runner": ("s-", "EnvRunner")}
    colors = {"sync": COLORS["runner"], "native": COLORS["wait"]}
    numbers = list(collection)
    for kind, color in colors.items():
        for what, (style, label) in styles.items():
            speeds = [n / statistics.median(collection[n][f"{kind} {what}"]) for n in numbers]
            ax.plot(numbers, speeds, style, color=color, label=f"{kind}, {label}", markersize=5)
    ax.set(xscale="log", yscale="log", xticks=numbers, xlabel="environments")
    ax.set_xticklabels(numbers)
    ax.minorticks_off()
    ax.grid(alpha=0.3)
    ax.set_title(f"{ENV_NAME}: environment steps a second", loc="left", fontweight="bold")
    ax.legend(frameon=False)


def draw_costs(ax: plt.Axes, times: Times) -> None:
    """Microseconds of a vector step."""
    labels = {"bare": "bare Gymnasium", "runner": "EnvRunner", "buffer": "EnvRunner and buffer"}
    names = [name for name in times if not name.startswith("async")]
    for place, name in enumerate(names):
        kind, what = name.split()
        values = np.array(times[name]) * 1e6
        middle = float(np.median(values))
        low, high = np.percentile(values, [25, 75])
        error = [[middle - low], [high - middle]]
        ax.barh(place, middle, color=COLORS[what], xerr=error, ecolor="#555555", capsize=2)
        ax.text(high, place, f"  {middle:.0f}", va="center")
        names[place] = f"{kind}, {labels[what]}"
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.set_xlim(0, ax.get_xlim()[1] * 1.08)
    ax.grid(axis="x", alpha=0.3)
    ax.set_title("Microseconds of a step of 4 poles", loc="left", fontweight="bold")


def draw_sampling(ax: plt.Axes, sampling: Times) -> None:
    """Microseconds of a batch, by the buffer's size."""
    for place, values in enumerate(sampling.values()):
        middle = statistics.median(values) * 1e6
        low, high = np.percentile(np.array(values) * 1e6, [25, 75])
        error = [[middle - low], [high - middle]]
        ax.bar(place, middle, 0.55, color=COLORS["runner"], yerr=error, ecolor="#555555", capsize=3)
        ax.text(place, high, f"{middle:.0f}", ha="center", va="bottom")
    labels = [f"{int(size):,}".replace(",", " ") for size in sampling]
    ax.set_xticks(range(len(labels)), labels)
    ax.set_xlabel("transitions held")
    ax.grid(axis="y", alpha=0.3)
    title = f"Microseconds of a batch of {BATCH_SIZE} from the replay buffer"
    ax.set_title(title, loc="left", fontweight="bold")


def draw_waiting(ax: plt.Axes, waiting: dict[str, dict[str, list[list[float]]]]) -> None:
    """How an environment's time is spent."""
    labels = []
    for cost, kinds in waiting.items():
        for kind, rounds in kinds.items():
            busy, waits = np.median([shares(*values, kind) for values in rounds], axis=0)
            left = 0.0
            parts = (busy, "runner"), (waits, "wait"), (1.0 - busy - waits, "bare")
            for share, color in parts:
                ax.barh(len(labels), 100 * share, left=left, color=COLORS[color])
                if share > 0.05:
                    text_color = "white" if color == "runner" else "black"
                    middle = left + 50 * share
                    text = f"{100 * share:.0f}%"
                    ax.text(middle, len(labels), text, ha="center", va="center", color=text_color)
                left += 100 * share
            labels.append(f"{kind}, {cost}")
    ax.set_yticks(range(len(labels)), labels)
    ax.invert_yaxis()
    ax.set_xlim(0, 100)
    handles = [plt.Rectangle((0, 0), 1, 1, color=COLORS[key]) for key in ("runner", "wait", "bare")]
    names = ["at work", "waits for others", "processes, transfer"]
    ax.legend(
        handles, names, ncols=3, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.08)
    )
    title = f"An environment's time, {ASYNC_ENVS} of uneven cost"
    ax.set_title(title, loc="left", fontweight="bold")


if __name__ == "__main__":
    main()
