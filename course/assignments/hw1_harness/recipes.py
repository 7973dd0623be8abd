"""How each method of hw1_harness is called: environments, batches and seeds are inputs.

What another method would compute is an input too, so that each test depends on one method alone.
"""

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode

import hw.infrastructure.pytorch_util as ptu
from hw.env_configs.schedule import PiecewiseSchedule
from hw.envs.normalization import RunningMeanStd
from hw.envs.wrappers import FrameStack, TimeLimit
from hw.homework.recipe import Inputs, Outputs, Recipe, gradients
from hw.infrastructure.env_runner import EnvRunner
from hw.infrastructure.episode_buffer import EpisodeBuffer
from hw.infrastructure.errors import UserError
from hw.infrastructure.prioritized_replay import PrioritizedReplayBuffer
from hw.infrastructure.replay_buffer import ReplayBuffer
from hw.infrastructure.sum_tree import SumTree

MANY = 20_000  # draws, from which shares are read off
SMALL_BATCHES = 1_500  # of each size


class ScriptedEnv(gym.Env):
    """One environment, in which happens what is written, whatever one does."""

    observation_space = Box(-np.inf, np.inf, (2,), np.float64)
    action_space = Box(0.0, np.inf, (), np.float64)

    def __init__(self, inputs: Inputs):
        self.rewards, self.dones, self.truncateds = (
            inputs[name].tolist() for name in ("rewards", "dones", "truncateds")
        )
        self.count = self.num_resets = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        """The numbers of steps do not begin anew."""
        self.num_resets += 1
        return np.array([self.count, -1.0]), {}

    def step(self, action: float):
        """The next line of the script."""
        row = self.count
        self.count += 1
        observation = np.array([self.count, action], np.float64)
        results = observation, self.rewards[row], self.dones[row], self.truncateds[row]
        return *results, info_of(row)


def info_of(row: int) -> dict[str, Any]:
    """What a `ScriptedEnv` says beside its line of the script."""
    return {"row": row, "lives": 3 - row, "is_slow": row % 2 == 0}


class ScriptedEnvs:
    """N environments, likewise; an episode's first observation is its seed, twice."""

    metadata = {"autoreset_mode": AutoresetMode.DISABLED}

    def __init__(self, inputs: Inputs):
        self.rewards, self.dones, self.truncateds = (
            inputs[name] for name in ("rewards", "dones", "truncateds")
        )
        self.num_envs = self.rewards.shape[1]
        self.observations = np.zeros((self.num_envs, 2))
        self.count = 0
        self.masks: list[np.ndarray] = []

    def reset(self, *, seed: list[int], options: dict[str, Any]):
        """Begin episodes where the mask says so."""
        self.masks.append(options["reset_mask"].copy())
        self.observations = self.observations.copy()
        self.observations[self.masks[-1]] = np.array(seed, np.float64)[self.masks[-1], None]
        return self.observations, {}

    def step(self, actions: np.ndarray):
        """The next line of the script."""
        row = self.count
        self.count += 1
        self.observations = np.stack([np.full(self.num_envs, float(self.count)), actions], axis=1)
        return self.observations, self.rewards[row], self.dones[row], self.truncateds[row], {}


class ImageEnv(gym.Env):
    """Never played: it only has spaces."""

    action_space = Discrete(2)

    def __init__(self, observation: np.ndarray):
        self.observation_space = Box(0, 100, observation.shape, observation.dtype)


def push(inputs: Inputs) -> Outputs:
    """`push` several observations, all in the same array, which is used again in the end."""
    frames, observations = inputs["frames"], inputs["observations"]
    env = FrameStack(ImageEnv(frames[0]), num_frames=len(frames))
    env.frames[...] = frames
    memory, stacks = np.empty_like(observations[0]), []
    for observation in observations:
        memory[...] = observation
        env.push(memory)
        stacks.append(np.array(env.frames))
    memory[...] = 0
    return {
        "frames": np.stack(stacks),
        "last_frames": np.array(env.frames),
        "is_array": isinstance(env.frames, np.ndarray),
    }


def time_limit_step(inputs: Inputs) -> Outputs:
    """`step` through a script with actions 0.5, 1.5, ..., and a reset before some of them."""
    env = TimeLimit(ScriptedEnv(inputs), max_steps=inputs["max_steps"])
    results, num_steps, num_resets = [], [], []
    for row, is_first in enumerate(inputs["is_first"].tolist()):
        if is_first:
            env.reset()
        results.append(env.step(row + 0.5))
        num_steps.append(env.num_steps)
        num_resets.append(env.unwrapped.num_resets)
    observations, rewards, dones, truncateds, infos = zip(*results, strict=True)
    return {
        "truncateds": np.array(truncateds),
        "dones": np.array(dones),
        "rewards": np.array(rewards),
        "observations": np.stack(observations),
        "rows": np.array([info["row"] for info in infos]),
        "infos_are_kept": [
            all(info.get(name) == value for name, value in info_of(row).items())
            for row, info in enumerate(infos)
        ],
        "info_sizes": [len(info) for info in infos],
        "num_steps": num_steps,
        "num_resets": num_resets,
    }


def count_step(inputs: Inputs) -> Outputs:
    """`EnvRunner.step`, which calls `count_step`, through a script."""
    envs = ScriptedEnvs(inputs)
    runner = EnvRunner(envs, inputs["seed"])
    runner.reset()
    episodes, transitions, statistics, observations = [], [], [], []
    are_plain = []
    for step in range(len(envs.rewards)):
        transition, ended = runner.step(np.arange(runner.num_envs) + step)
        transitions.append(transition)
        numbers = [(e.episode_return, e.episode_length, e.seed) for e in ended]
        episodes += [(step, *row) for row in numbers]
        are_plain += [all(map(isinstance, row, (float, int, int))) for row in numbers]
        statistics.append((runner.episode_returns.copy(), runner.episode_lengths.copy()))
        observations.append(runner.observations.copy())
    returns, lengths = zip(*statistics, strict=True)
    return {
        "episodes": np.array(episodes, np.float64).reshape(-1, 4),
        "are_plain": all(are_plain),
        "returns": np.stack(returns),
        "lengths": np.stack(lengths),
        "reset_masks": np.stack(envs.masks),
        "observations": np.stack(observations),
        "next_observations": np.stack([t.next_observations for t in transitions]),
        "stored_dones": np.stack([t.dones for t in transitions]),
        "stored_truncateds": np.stack([t.truncateds for t in transitions]),
    }


def next_slots(inputs: Inputs) -> Outputs:
    """`next_slots` twice with nothing inserted between, and what lies where after writing there."""
    buffer = ReplayBuffer(inputs["capacity"])
    buffer.num_inserted = inputs["num_inserted"]
    slots = buffer.next_slots(inputs["num_lanes"])
    memory = np.full(buffer.capacity, -1)
    memory[slots] = np.arange(inputs["num_lanes"])
    return {
        "slots": np.arange(buffer.capacity)[slots],
        "slots_again": np.arange(buffer.capacity)[buffer.next_slots(inputs["num_lanes"])],
        "memory": memory,
        "num_inserted": buffer.num_inserted,
    }


def replay_sample(inputs: Inputs) -> Outputs:
    """`sample` from a buffer in which the transition with number m has the reward m.

    Which of them are drawn is compared, and whether each is drawn equally often and whatever the
    others are; not the draws.
    """
    buffer, same, other = (numbered_buffer(inputs, seed) for seed in (5, 5, 6))
    num_inserted = buffer.num_inserted
    numbers, same_numbers, other_numbers, next_numbers = (
        first_rewards(drawn_from.sample(MANY)) for drawn_from in (buffer, same, other, buffer)
    )
    batch = buffer.sample(inputs["batch_size"])
    firsts = first_rewards(batch)
    last_steps = batch.get("num_steps", np.ones(len(firsts), np.int64)) - 1
    lasts = firsts + last_steps * inputs["dones"].shape[1]
    shares = np.bincount(numbers, minlength=num_inserted) / len(numbers)
    is_drawn = shares > 0
    small = [np.unique(first_rewards(buffer.sample(len(buffer)))) for _ in range(30)]
    pairs = [numbers[:-1] == numbers[1:], numbers[: MANY // 2] == numbers[MANY // 2 :]]
    sizes = [2, max(2, len(buffer) // 3)]
    ends = [
        np.array([first_rewards(buffer.sample(size))[[0, -1]] for _ in range(SMALL_BATCHES)])
        for size in sizes
    ]
    try:
        ReplayBuffer(4).sample(2)
        is_refused = False
    except UserError:
        is_refused = True
    return {
        "is_drawn": is_drawn,
        "is_even": np.abs(shares - is_drawn / is_drawn.sum()) < 0.02,
        "are_independent": [abs(pair.mean() - 1 / is_drawn.sum()) < 0.02 for pair in pairs],
        "has_repeats": min(len(unique) for unique in small) < len(buffer),
        "small_batches_repeat": [is_share(1 / len(buffer), *pair.T) for pair in ends],
        "small_batches_are_independent": [
            is_share(1 / len(buffer), pair[1:, 0], pair[:-1, 0]) for pair in ends
        ],
        "follows_the_seed": np.array_equal(numbers, same_numbers),
        "differs_by_seed": not np.array_equal(numbers, other_numbers),
        "differs_next_time": not np.array_equal(numbers, next_numbers),
        "refuses_when_empty": is_refused,
        "action_errors": batch["actions"][:, 0] + firsts,
        "is_done": batch["dones"] == inputs["dones"].ravel()[lasts],
        "has_num_steps": "num_steps" in batch,
        "num_inserted": buffer.num_inserted,
    }


def is_share(expected: float, a: np.ndarray, b: np.ndarray) -> bool:
    """Whether a and b agree as often as they should, within six standard deviations."""
    spread = (expected * (1 - expected) / len(a)) ** 0.5
    return bool(abs((a == b).mean() - expected) < 6 * spread)


def first_rewards(batch: dict[str, np.ndarray]) -> np.ndarray:
    """The numbers of the transitions drawn: the rewards, or where there are several the first."""
    return batch["rewards"].reshape(len(batch["rewards"]), -1)[:, 0].astype(np.int64)


def numbered_buffer(inputs: Inputs, seed: int) -> ReplayBuffer:
    """A buffer of vectors or of images, with what an input says inserted in given slots."""
    buffer = ReplayBuffer(inputs["capacity"], seed, n_step=inputs["n_step"])
    for step, (slots, dones) in enumerate(zip(inputs["slots"], inputs["dones"], strict=True)):
        buffer.next_slots = lambda num_lanes, slots=slots: slots
        numbers = step * len(slots) + np.arange(len(slots), dtype=np.float32)
        observations = np.stack([numbers, 2 * numbers], axis=1)
        if inputs["is_image"]:
            observations = np.tile(observations[:, :, None], 2).astype(np.uint8)
        buffer.insert(observations, -numbers[:, None], numbers, observations + 1, dones)
    return buffer


def merge(inputs: Inputs) -> Outputs:
    """`merge` the moments of several batches, one after the other, all in the same arrays."""
    statistics = RunningMeanStd(inputs["mean"].shape)
    statistics.mean, statistics.variance = inputs["mean"], inputs["variance"]
    statistics.count = inputs["count"]
    del inputs.given["mean"], inputs.given["variance"]  # may be changed in place
    mean, variance = np.empty_like(statistics.mean), np.empty_like(statistics.variance)
    means, variances, counts, arguments = [], [], [], []
    for *moments, count in zip(*(inputs[n] for n in ("means", "variances", "counts")), strict=True):
        mean[...], variance[...] = moments
        statistics.merge(mean, variance, int(count))
        arguments.append([mean.copy(), variance.copy()])
        mean[...], variance[...] = 0, 0
        means.append(np.array(statistics.mean))
        variances.append(np.array(statistics.variance))
        counts.append(statistics.count)
    return {
        "mean": np.stack(means),
        "variance": np.stack(variances),
        "count": counts,
        "arguments": np.stack(arguments),
    }


def record_ends(inputs: Inputs) -> Outputs:
    """`EpisodeBuffer.insert`, which calls `record_ends`, some steps; perhaps a `take` between."""
    buffer = EpisodeBuffer(inputs["num_steps"])
    dones, truncateds = inputs["dones"], inputs["truncateds"]
    labels = np.zeros(dones.shape[1])
    finished, first_rows, sizes = [], [], []
    for step in range(len(dones)):
        buffer.insert(
            labels[:, None], labels, labels, labels[:, None], dones[step], truncateds[step]
        )
        first_rows.append(buffer.first_rows.copy())
        sizes.append(len(buffer))
        if step + 1 in (len(dones), inputs["num_steps_before_take"]):
            finished += buffer.finished
            buffer._forget_finished()
    return {
        "finished": np.array(finished, np.int64).reshape(-1, 3),
        "are_ints": all(type(number) is int for triple in finished for number in triple),
        "first_rows": np.stack(first_rows),
        "num_finished_steps": sizes,
    }


def take(inputs: Inputs) -> Outputs:
    """`take` from a buffer whose episodes an input names; its memory is overwritten afterwards."""
    names = ("observations", "actions", "rewards", "next_observations", "dones", "truncateds")
    rows = [inputs[name] for name in names]
    buffer = EpisodeBuffer(inputs["num_steps"])
    for step in range(len(rows[0])):
        buffer.steps.append(*(values[step] for values in rows))
    buffer.first_rows = inputs["first_rows"]
    del inputs.given["first_rows"]  # the buffer's own
    buffer.finished = [tuple(triple) for triple in inputs["finished"].tolist()]
    buffer.num_finished_steps = sum(end - first for _, first, end in buffer.finished)
    try:
        batch = buffer.take()
    except ValueError:
        batch = {}
    kept_rewards = buffer.steps.rows()["rewards"].copy()
    for values in buffer.steps.arrays.values():
        values[...] = 0
    return batch | {
        "is_refused": batch == {},
        "num_arrays": len(batch),
        "num_steps_left": len(buffer),
        "num_finished": len(buffer.finished),
        "first_rows": buffer.first_rows,
        "kept_rewards": kept_rewards,
    }


def tree_set(inputs: Inputs) -> Outputs:
    """`set` some leaves, each to a value of its own; then others, all to one value."""
    tree = SumTree(inputs["num_leaves"])
    tree.sums[:] = inputs["sums"]
    tree.set(inputs["leaves"], inputs["values"])
    sums = tree.sums[1:].copy()
    tree.set(inputs["other_leaves"], inputs["other_value"])
    return {"sums": sums, "sums_again": tree.sums[1:], "children": tree.children[1:]}


def tree_find(inputs: Inputs) -> Outputs:
    """`find` positions in a tree whose sums are given."""
    tree = SumTree(inputs["num_leaves"])
    tree.sums[:] = inputs["sums"]
    before = tree.sums.copy()
    leaves = tree.find(inputs["positions"])
    return {"leaves": leaves, "sums_are_kept": np.array_equal(tree.sums, before)}


def stratified_positions(inputs: Inputs) -> Outputs:
    """`stratified_positions` of a tree with a single leaf; then of another total and size."""
    buffer = prioritized_buffer(inputs["seed"])
    buffer.tree = SumTree(1)
    positions = []
    for i in range(2):
        buffer.tree.sums[1] = (1 + i) * inputs["total"]
        positions.append(buffer.stratified_positions(inputs["batch_size"] + i))
    return {"positions": positions[0], "positions_again": positions[1]}


def importance_weights(inputs: Inputs) -> Outputs:
    """`importance_weights` of given probabilities."""
    buffer = prioritized_buffer(0, inputs["capacity"])
    buffer.num_inserted = inputs["num_inserted"]
    weights = buffer.importance_weights(inputs["probabilities"], inputs["importance_exponent"])
    return {"weights": weights}


def prioritized_buffer(seed: int, capacity: int = 8) -> PrioritizedReplayBuffer:
    """An empty one."""
    return PrioritizedReplayBuffer(capacity, seed, priority_exponent=0.6, priority_epsilon=0.01)


def schedule_value(inputs: Inputs) -> Outputs:
    """A schedule's value at several steps."""
    schedule = PiecewiseSchedule(inputs["points"])
    values = [schedule(step) for step in inputs["steps"]]
    return {
        "values": np.array(values, np.float64),
        "is_float": [isinstance(value, float) for value in values],
    }


def mlp(inputs: Inputs) -> Outputs:
    """`build_mlp`: with weights of ours; on a device that holds no numbers; wide, as it comes."""
    sizes = [inputs[name] for name in ("input_size", "output_size", "n_layers", "size")]
    names = [name for name in ("activation", "output_activation") if name in inputs]
    activations = {name: inputs[name] for name in names}
    network = ptu.build_mlp(*sizes, **activations)
    random = np.random.RandomState(inputs["seed"])
    shapes = []
    for parameter in network.parameters():
        shapes += parameter.shape
        weights = 0.7 * random.standard_normal(tuple(parameter.shape))
        parameter.data = torch.from_numpy(weights.astype(np.float32))
    x = inputs.tensor("x", requires_grad=True)
    y = network(x)
    device = ptu.device
    try:
        ptu.device = torch.device("meta")
        on_meta = [p.is_meta for p in ptu.build_mlp(*sizes, **activations).parameters()]
    finally:
        ptu.device = device
    (gradient,) = gradients(y.square(), [x])
    torch.manual_seed(inputs["seed"])
    wide = ptu.build_mlp(sizes[0], 50, sizes[2], 60, **activations)
    linear_maps = [layer for layer in wide if isinstance(layer, torch.nn.Linear)]
    are_initialised = [  # PyTorch draws weights and biases from +- 1 / sqrt(inputs)
        [is_uniform(p * layer.in_features**0.5) for p in (layer.weight, layer.bias)]
        for layer in linear_maps
    ]
    return {
        "shapes": shapes,
        "y": y,
        "y_of_two_axes": network(x.reshape(2, 3, -1)),
        "gradient": gradient,
        "is_on_device": all(on_meta),
        "num_linear_maps": len(linear_maps),
        "are_initialised": are_initialised,
        "is_trainable": all(p.requires_grad and p.dtype == torch.float32 for p in wide.parameters())
        and wide.training,
    }


def is_uniform(numbers: torch.Tensor) -> bool:
    """Whether they may be drawn uniformly from [-1, 1]: the largest is near 1, but not above."""
    largest = numbers.abs().max().item()
    return max(0.7, 1e-9 ** (1 / numbers.numel())) < largest <= 1.0 + 1e-6


RECIPES: dict[str, Recipe] = {
    "FrameStack.push": push,
    "TimeLimit.step": time_limit_step,
    "EnvRunner.count_step": count_step,
    "ReplayBuffer.next_slots": next_slots,
    "ReplayBuffer.sample": replay_sample,
    "RunningMeanStd.merge": merge,
    "EpisodeBuffer.record_ends": record_ends,
    "EpisodeBuffer.take": take,
    "SumTree.set": tree_set,
    "SumTree.find": tree_find,
    "PrioritizedReplayBuffer.stratified_positions": stratified_positions,
    "PrioritizedReplayBuffer.importance_weights": importance_weights,
    "PiecewiseSchedule.__call__": schedule_value,
    "build_mlp": mlp,
}
