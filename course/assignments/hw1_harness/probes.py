"""Cases of hw1_harness: public ones, which the hand-out's tests hold, and hidden ones."""

from collections.abc import Iterator

import numpy as np
from numpy.random import RandomState

from course.probe import ProbeCase, probe


def normal(random: RandomState, *shape: int) -> np.ndarray:
    """Standard normal numbers as float32."""
    return random.standard_normal(shape).astype(np.float32)


def flags(*rows: str) -> np.ndarray:
    """Rows of characters, of which `x` means true."""
    return np.array([[character == "x" for character in row] for row in rows])


@probe(
    "FrameStack.push",
    frames="the stack after each observation",
    last_frames="the stack after the observation's array was used for something else",
    is_array="whether `frames` is still an array",
)
def push(random: RandomState) -> Iterator[ProbeCase]:
    """Vectors and images, few and many frames, one; fractions, and a type of their own."""

    def inputs(num_frames: int, shape: tuple[int, ...], dtype: type, num_steps: int) -> dict:
        return {
            "frames": random.randint(1, 100, (num_frames, *shape)).astype(dtype),
            "observations": random.randint(1, 100, (num_steps, *shape)).astype(dtype),
        }

    yield ProbeCase("three frames of two numbers", inputs(3, (2,), np.float32, 4))
    yield ProbeCase("four images", inputs(4, (2, 3), np.uint8, 2))
    yield ProbeCase("a single frame", inputs(1, (3,), np.float32, 2), is_hidden=True)
    yield ProbeCase("single numbers", inputs(5, (), np.float64, 7), is_hidden=True)
    yield ProbeCase("as many frames as rows", inputs(3, (3, 3), np.uint8, 3), is_hidden=True)

    def fractions(num_frames: int, shape: tuple[int, ...], observed: type) -> dict:
        return {
            "frames": normal(random, num_frames, *shape),
            "observations": normal(random, 3, *shape).astype(observed),
        }

    yield ProbeCase("fractions and negative numbers", fractions(3, (2,), np.float32))
    still = fractions(3, (2,), np.float32)
    still["observations"] = np.repeat(still["observations"][:1], 4, axis=0)
    yield ProbeCase("the same observation again and again", still, is_hidden=True)
    yield ProbeCase("float64 observations in a space of float32", fractions(2, (3,), np.float64))
    yield ProbeCase(
        "a single frame, float64 observations", fractions(1, (2, 2), np.float64), is_hidden=True
    )


@probe(
    "TimeLimit.step",
    rtol=1e-9,
    atol=1e-12,
    truncateds="truncated, step by step",
    dones="done, step by step",
    rewards="the rewards",
    observations="the observations",
    rows="what the infos say",
    infos_are_kept="whether each info holds all that the environment said",
    info_sizes="the number of keys of each info",
    num_steps="the number of steps of the episode",
    num_resets="how often the environment has been reset, after each step",
)
def time_limit_step(random: RandomState) -> Iterator[ProbeCase]:
    """Limits of the wrapper and of the environment, terminations before and at the limit."""

    def inputs(max_steps: int, is_first: str, dones: str, truncateds: str) -> dict:
        return {
            "max_steps": max_steps,
            "is_first": flags(is_first)[0],
            "dones": flags(dones)[0],
            "truncateds": flags(truncateds)[0],
            "rewards": random.standard_normal(len(dones)),
        }

    yield ProbeCase("two episodes that reach the limit", inputs(3, "x..x..", "......", "......"))
    yield ProbeCase("an episode terminates before the limit", inputs(3, "x.x..", ".x...", "....."))
    yield ProbeCase("an episode terminates at the limit", inputs(2, "x.x.", ".x..", "...."))
    yield ProbeCase("stepped on after the limit", inputs(2, "x....x.", ".......", "......."))
    yield ProbeCase(
        "the environment has an earlier limit",
        inputs(4, "x.x...", "......", ".x...."),
        is_hidden=True,
    )
    yield ProbeCase("a limit of one step", inputs(1, "xxx", ".x.", "..."), is_hidden=True)
    yield ProbeCase(
        "everything at once", inputs(3, "x..x.x..", "..x.x..x", "..x....."), is_hidden=True
    )
    yield ProbeCase("a limit far away", inputs(99, "x...x", "...x.", "....."), is_hidden=True)


@probe(
    "EnvRunner.count_step",
    rtol=1e-9,
    atol=1e-9,
    episodes="the episodes (step, return, length, seed)",
    are_plain="whether return, length and seed are a float, an int and an int of Python",
    returns="the returns of the episodes under way, after each step",
    lengths="the lengths of the episodes under way, after each step",
    reset_masks="where episodes began, reset by reset",
    observations="what to act on next, after each step",
    next_observations="the stored next observations",
    stored_dones="the stored dones",
    stored_truncateds="the stored truncateds",
)
def count_step(random: RandomState) -> Iterator[ProbeCase]:
    """Terminations and truncations apart, together, everywhere, nowhere; all sorts of rewards."""

    def inputs(dones: np.ndarray, truncateds: np.ndarray) -> dict:
        return {
            "dones": dones,
            "truncateds": truncateds,
            "rewards": random.standard_normal(dones.shape).round(3),
            "seed": int(random.randint(1000)),
        }

    yield ProbeCase(
        "three environments: termination, truncation, both",
        inputs(
            flags("...", "x..", "...", "..x", "...", "xx."),
            flags("...", "...", ".x.", "..x", "...", "..."),
        ),
    )
    yield ProbeCase("one environment", inputs(flags(".", "x", ".", "."), flags(".", ".", ".", "x")))
    yield ProbeCase(
        "no episode ends", inputs(np.zeros((4, 3), bool), np.zeros((4, 3), bool)), is_hidden=True
    )
    yield ProbeCase(
        "all end at once",
        inputs(flags("....", "xxxx", "....", "x.x."), flags("....", "....", "....", ".x.x")),
        is_hidden=True,
    )
    yield ProbeCase(
        "an episode ends in every step",
        inputs(flags("x.", ".x", "x.", ".."), flags("..", "x.", ".x", "xx")),
        is_hidden=True,
    )
    ends = random.rand(2, 40, 5) < 0.15
    ends[:, 7] = False
    ends[0, 10], ends[1, 10] = [1, 0, 1, 0, 0], [0, 1, 1, 0, 0]
    yield ProbeCase("forty steps of five environments", inputs(*ends), is_hidden=True)
    ends = flags("...", "x.x", ".x.", "..x"), flags("x..", "...", "x..", "xx.")
    yield ProbeCase("no rewards", inputs(*ends) | {"rewards": np.zeros((4, 3))}, is_hidden=True)
    many_digits = {"rewards": 1e6 * random.standard_normal((4, 3))}
    yield ProbeCase("rewards of many digits", inputs(*ends) | many_digits, is_hidden=True)
    narrow = {"rewards": normal(random, 4, 3)}
    yield ProbeCase("rewards in float32", inputs(*ends) | narrow, is_hidden=True)


@probe(
    "ReplayBuffer.next_slots",
    slots="the slots",
    slots_again="the slots of a second call, nothing inserted since",
    memory="which lane lies in each slot afterwards",
    num_inserted="the number of transitions inserted",
)
def next_slots(random: RandomState) -> Iterator[ProbeCase]:
    """Room left, none, wrap-around, and more lanes than slots."""
    capacity = int(random.randint(6, 12))
    lap = capacity * int(random.randint(2, 6))

    def inputs(num_inserted: int, num_lanes: int) -> dict:
        return {"capacity": capacity, "num_inserted": num_inserted, "num_lanes": num_lanes}

    yield ProbeCase("room for three", inputs(lap + 2, 3))
    yield ProbeCase("across the end", inputs(lap + capacity - 2, 4))
    yield ProbeCase("exactly up to the end", inputs(lap + capacity - 3, 3))
    yield ProbeCase("the very first", inputs(0, 2), is_hidden=True)
    yield ProbeCase("the second lap", inputs(2 * capacity - 1, 3), is_hidden=True)
    billions = capacity * 10**10 + capacity - 2
    yield ProbeCase("after billions of transitions", inputs(billions, 4), is_hidden=True)
    yield ProbeCase("one lane, last slot", inputs(lap + capacity - 1, 1), is_hidden=True)
    yield ProbeCase("as many lanes as slots", inputs(lap + 4, capacity), is_hidden=True)
    yield ProbeCase("more lanes than slots", inputs(lap + 1, 2 * capacity + 3), is_hidden=True)
    large = {"capacity": 33_000, "num_inserted": 33_000 * 3 - 2, "num_lanes": 4}
    yield ProbeCase("tens of thousands of slots", large, is_hidden=True)


@probe(
    "ReplayBuffer.sample",
    is_drawn="whether each transition ever inserted is drawn",
    is_even="whether each transition is drawn as often as the others",
    are_independent="whether a draw says nothing of the next one, nor of one further on",
    has_repeats="whether a batch may hold a transition twice",
    small_batches_repeat="whether batches far smaller than the buffer do so as often as chance",
    small_batches_are_independent="whether such a batch says nothing of the next one",
    follows_the_seed="whether two buffers of the same seed give the same batch",
    differs_by_seed="whether two buffers of different seeds give different batches",
    differs_next_time="whether the next batch differs",
    refuses_when_empty="whether an empty buffer raises a UserError",
    action_errors="actions that belong to other rewards",
    is_done="whether done belongs to the reward",
    has_num_steps="whether the batch holds `num_steps`",
    num_inserted="the number of transitions inserted",
)
def replay_sample(random: RandomState) -> Iterator[ProbeCase]:
    """Buffers that are not full, just full, overwritten, of images, of several steps."""

    def inputs(
        capacity: int, num_steps: int, num_lanes: int, is_image: bool = False, n_step: int = 1
    ) -> dict:
        numbers = np.arange(num_steps * num_lanes).reshape(num_steps, num_lanes)
        return {
            "capacity": capacity,
            "slots": numbers % capacity,
            "dones": random.rand(num_steps, num_lanes) < 0.3,
            "is_image": is_image,
            "n_step": n_step,
            "batch_size": int(random.randint(5, 9)),
        }

    yield ProbeCase("not full yet", inputs(50, 4, 3))
    yield ProbeCase("overwritten one and a half times", inputs(8, 10, 2))
    yield ProbeCase("images, of which fewer are held", inputs(9, 8, 2, is_image=True))
    yield ProbeCase("just full", inputs(12, 4, 3), is_hidden=True)
    yield ProbeCase("one lane", inputs(5, 13, 1), is_hidden=True)
    single = inputs(11, 9, 3) | {"batch_size": 1}
    yield ProbeCase("a batch of one", single, is_hidden=True)
    yield ProbeCase("samples of three steps", inputs(12, 9, 2, n_step=3), is_hidden=True)
    yield ProbeCase("images, one lane", inputs(10, 25, 1, is_image=True), is_hidden=True)


@probe(
    "RunningMeanStd.merge",
    rtol=1e-7,
    atol=1e-13,
    mean="the mean after each batch",
    variance="the variance after each batch",
    count="the count after each batch",
    arguments="the mean and variance handed in, after the call",
)
def merge(random: RandomState) -> Iterator[ProbeCase]:
    """The first batch, batches of different sizes, single samples, large and small numbers."""

    def inputs(count: int, counts: list[int], shape: tuple[int, ...], offset: float = 0.0) -> dict:
        def draw(*sizes: int) -> tuple[np.ndarray, np.ndarray]:
            mean = offset + 3.0 * random.standard_normal((*sizes, *shape))
            return np.asarray(mean), np.asarray(random.uniform(0.5, 4.0, (*sizes, *shape)))

        mean, variance = draw() if count else (np.zeros(shape), np.ones(shape))
        means, variances = draw(len(counts))
        sizes = np.array(counts)
        variances[sizes == 1] = 0.0
        return {
            "mean": mean,
            "variance": variance,
            "count": count,
            "means": means,
            "variances": variances,
            "counts": sizes,
        }

    yield ProbeCase("the first batches of three components", inputs(0, [5, 2], (3,)))
    yield ProbeCase("batches of different sizes", inputs(7, [3, 20, 1], (2,)))
    yield ProbeCase("numbers without components", inputs(4, [6, 2], ()), is_hidden=True)
    yield ProbeCase("one sample at a time", inputs(0, [1, 1, 1, 1], (2,)), is_hidden=True)
    yield ProbeCase("images", inputs(10, [4, 9], (2, 3)), is_hidden=True)
    yield ProbeCase(
        "a mean that is large against the spread", inputs(9, [8, 30], (4,), 3e6), is_hidden=True
    )
    yield ProbeCase("billions of samples", inputs(3 * 10**9, [10**9, 5], (2,)), is_hidden=True)
    small = inputs(5, [7, 1, 12], (3,))
    for name, factor in (("mean", 1e-5), ("variance", 1e-10)):
        small |= {key: factor * small[key] for key in (name, f"{name}s")}
    yield ProbeCase("very small numbers", small, is_hidden=True)


@probe(
    "EpisodeBuffer.record_ends",
    finished="the finished episodes (lane, first row, row after the last)",
    are_ints="whether these numbers are ints of Python",
    first_rows="where each lane's episode under way begins, after each step",
    num_finished_steps="the number of steps of finished episodes, after each step",
)
def record_ends(random: RandomState) -> Iterator[ProbeCase]:
    """Terminations and truncations apart, together, everywhere, nowhere; a take; a full buffer."""

    def inputs(
        dones: np.ndarray,
        truncateds: np.ndarray,
        num_steps_before_take: int = 0,
        num_steps: int = 10_000,
    ) -> dict:
        return {
            "num_steps": num_steps,
            "dones": dones,
            "truncateds": truncateds,
            "num_steps_before_take": num_steps_before_take,
        }

    yield ProbeCase(
        "three lanes: termination, truncation, both",
        inputs(
            flags("...", "x..", "...", "..x", "x..", ".x."),
            flags("...", "...", ".x.", "..x", "...", "..."),
        ),
    )
    yield ProbeCase(
        "two lanes, and what had ended was taken after four steps",
        inputs(
            flags("..", "x.", "..", ".x", "..", "x.", ".."),
            flags("..", "..", "x.", "..", "..", ".x", "xx"),
            num_steps_before_take=4,
        ),
    )
    yield ProbeCase(
        "nothing ends", inputs(np.zeros((3, 2), bool), np.zeros((3, 2), bool)), is_hidden=True
    )
    yield ProbeCase(
        "all end in the first step",
        inputs(flags("xx.x", "...."), flags("..x.", "....")),
        is_hidden=True,
    )
    yield ProbeCase(
        "one lane", inputs(flags(".", ".", "x", "x"), flags(".", ".", ".", ".")), is_hidden=True
    )
    ends = random.rand(2, 50, 4) < 0.12
    ends[0, 20], ends[1, 20] = [0, 1, 1, 0], [1, 0, 1, 0]
    yield ProbeCase("fifty steps of four lanes", inputs(*ends, 23), is_hidden=True)
    yield ProbeCase("a buffer that has long been full", inputs(*ends, 23, 3), is_hidden=True)


def spans_of(ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Finished episodes (lane, first, end) in the order of their ends, and where others began."""
    num_lanes = ends.shape[1]
    first_rows, finished = np.zeros(num_lanes, np.int64), []
    for row, lane in zip(*np.nonzero(ends), strict=True):
        finished.append((lane, first_rows[lane], row + 1))
        first_rows[lane] = row + 1
    return np.array(finished, np.int64).reshape(-1, 3), first_rows


@probe(
    "EpisodeBuffer.take",
    observations="the observations",
    actions="the actions",
    rewards="the rewards",
    next_observations="the next observations",
    dones="the dones",
    truncateds="the truncateds",
    is_refused="whether the buffer says that it is not full",
    num_arrays="the number of arrays in the batch",
    num_steps_left="the number of steps of finished episodes afterwards",
    num_finished="the number of finished episodes afterwards",
    first_rows="where the episodes under way begin afterwards",
    kept_rewards="the rewards in the buffer afterwards",
)
def take(random: RandomState) -> Iterator[ProbeCase]:
    """Several lanes that end out of order, some unfinished; too few steps; a single episode."""

    def inputs(num_steps: int, dones: np.ndarray, truncateds: np.ndarray) -> dict:
        finished, first_rows = spans_of(dones | truncateds)
        return {
            "num_steps": num_steps,
            "observations": normal(random, *dones.shape, 2),
            "actions": random.randint(100, size=dones.shape),
            "rewards": normal(random, *dones.shape),
            "next_observations": normal(random, *dones.shape, 2),
            "dones": dones,
            "truncateds": truncateds,
            "finished": finished,
            "first_rows": first_rows,
        }

    yield ProbeCase(
        "three lanes, of which one ends twice and one is unfinished",
        inputs(8, flags("...", "...", ".x.", "...", "x..", "..."), flags(*["..."] * 5, ".x.")),
    )
    yield ProbeCase(
        "the finished episodes hold too few steps",
        inputs(5, flags("..", "..", "x.", "..", ".."), flags(*[".."] * 5)),
    )
    yield ProbeCase(
        "one lane, one episode",
        inputs(3, flags(".", ".", "x", "."), flags(*["."] * 4)),
        is_hidden=True,
    )
    yield ProbeCase(
        "all lanes end in the same step, and exactly enough",
        inputs(12, flags("....", "....", "x.xx"), flags("....", "....", ".x..")),
        is_hidden=True,
    )
    ends = random.rand(2, 40, 3) < 0.1
    ends[:, 38:] = False
    ends[0, :5] = flags("...", "..x", "...", "x..", "...")
    ends[1, 30, 1] = True
    yield ProbeCase("forty steps of three lanes", inputs(20, *ends), is_hidden=True)
    images = inputs(3, flags("..", ".x", "..", "x."), flags("..", "..", "..", ".x"))
    for name in ("observations", "next_observations"):
        images[name] = random.randint(256, size=(4, 2, 2, 3)).astype(np.uint8)
    images["actions"] = normal(random, 4, 2, 2)
    yield ProbeCase("images, actions of two components", images, is_hidden=True)


def tree_sums(values: np.ndarray) -> np.ndarray:
    """The array of a sum tree with these leaves."""
    num_leaves = 2 ** (len(values) - 1).bit_length()
    sums = np.zeros(2 * num_leaves)
    sums[num_leaves : num_leaves + len(values)] = values
    for node in reversed(range(1, num_leaves)):
        sums[node] = sums[2 * node : 2 * node + 2].sum()
    return sums


@probe(
    "SumTree.set",
    rtol=1e-9,
    atol=1e-12,
    sums="the sums, from the root on",
    sums_again="the sums after the second call, from the root on",
    children="the sums as `children` shows them",
)
def tree_set(random: RandomState) -> Iterator[ProbeCase]:
    """Leaves that occur twice, none, one; small and large trees; sums that must not drift."""

    def inputs(values: np.ndarray, leaves: list[int], others: list[int]) -> dict:
        return {
            "num_leaves": len(values),
            "sums": tree_sums(values),
            "leaves": np.array(leaves, np.int64),
            "values": random.uniform(0.5, 2.0, len(leaves)),
            "other_leaves": np.array(others, np.int64),
            "other_value": float(random.uniform(3.0, 4.0)),
        }

    def uniform(size: int) -> np.ndarray:
        return random.uniform(0.5, 2.0, size)

    yield ProbeCase("a tree of eight leaves", inputs(uniform(8), [1, 6, 3], [0, 6]))
    yield ProbeCase("a leaf twice: the last value counts", inputs(uniform(6), [4, 2, 4], [2, 2, 5]))
    yield ProbeCase("no leaves", inputs(uniform(4), [], [1]), is_hidden=True)
    yield ProbeCase("the only leaf", inputs(uniform(1), [0], [0]), is_hidden=True)
    yield ProbeCase(
        "few of very many leaves",
        inputs(uniform(700), random.randint(700, size=5).tolist(), [699, 13]),
        is_hidden=True,
    )
    yield ProbeCase(
        "very many leaves, some of them often",
        inputs(uniform(100), [7, 7, 8, *random.randint(100, size=150).tolist()], [0, 99]),
        is_hidden=True,
    )
    to_zero = inputs(uniform(8), [2, 5, 2, 7], [0, 7]) | {"other_value": 0.0}
    to_zero["values"][[1, 2]] = 0.0
    yield ProbeCase("leaves become nothing", to_zero, is_hidden=True)
    huge = uniform(5)
    huge[2] = 1e17
    yield ProbeCase("a huge value becomes a small one", inputs(huge, [2], [3]), is_hidden=True)
    tiny = inputs(1e-9 * uniform(8), [1, 6, 3], [0, 6])
    tiny |= {name: 1e-9 * tiny[name] for name in ("values", "other_value")}
    yield ProbeCase("very small values", tiny, is_hidden=True)


@probe(
    "SumTree.find",
    leaves="the leaves",
    sums_are_kept="whether the tree is as before",
)
def tree_find(random: RandomState) -> Iterator[ProbeCase]:
    """Borders between leaves, leaves of nothing, positions at ends of subtrees and beyond."""

    def inputs(values: np.ndarray, positions: np.ndarray) -> dict:
        return {
            "num_leaves": len(values),
            "sums": tree_sums(values),
            "positions": np.asarray(positions, np.float64),
        }

    def anywhere(values: np.ndarray, count: int) -> np.ndarray:
        return random.rand(count) * values.sum()

    whole = random.randint(1, 6, 6).astype(np.float64)
    whole[2] = 0.0
    borders = np.cumsum(whole)[:-1]
    yield ProbeCase(
        "whole numbers, at the borders and between",
        inputs(whole, np.concatenate([[0.0], borders, borders + 0.5, borders - 0.5])),
    )
    values = random.uniform(0.1, 2.0, 8)
    yield ProbeCase("eight leaves, anywhere", inputs(values, anywhere(values, 10)))
    yield ProbeCase(
        "at the total and beyond, where rounding may lead: never a leaf of nothing",
        inputs(np.array([1.0, 4.0, 0.0, 0.0, 0.0]), np.array([4.5, 5.0, 5.5])),
    )
    empty_end = np.array([0.0, 0.0, 1.0, 2.0, 3.0, 0.0, 0.0])
    yield ProbeCase(
        "nothing at both ends", inputs(empty_end, np.array([5.5, 6.0, 6.5, 0.0])), is_hidden=True
    )
    some = random.uniform(0.1, 2.0, 50)
    some[-1] = 1e-8
    near = np.cumsum(some)[:-1] * (1 + 1e-9 * random.choice([-1, 1], 49))
    near = np.append(near, some.sum() - 5e-9)
    yield ProbeCase("close to the borders", inputs(some, near), is_hidden=True)
    yield ProbeCase("one leaf", inputs(np.array([2.5]), np.array([0.0, 2.4])), is_hidden=True)
    many = random.uniform(0.1, 2.0, 300) * (random.rand(300) < 0.5)
    many[5] = 1.0
    yield ProbeCase("half of many are nothing", inputs(many, anywhere(many, 64)), is_hidden=True)
    tiny = 1e-10 * values
    yield ProbeCase("very small values", inputs(tiny, anywhere(tiny, 12)), is_hidden=True)
    a, b = pair_that_rounds_up(random)
    yield ProbeCase(
        "rounding leads to the end of a subtree whose last leaf is nothing",
        inputs(np.array([a, 0.0, b, 0.0, 1.0]), np.array([np.nextafter(a + b, 0.0)])),
        is_hidden=True,
    )


def pair_that_rounds_up(random: RandomState) -> tuple[float, float]:
    """a, b such that the number next below a + b, less a, rounds to b."""
    while True:
        a, b = random.uniform(0.1, 2.0, 2)
        if np.nextafter(a + b, 0.0) - a >= b:
            return a, b


@probe(
    "PrioritizedReplayBuffer.stratified_positions",
    rtol=1e-9,
    atol=1e-12,
    positions="the positions",
    positions_again="the positions of the second call, with one more and twice the total",
)
def stratified_positions(random: RandomState) -> Iterator[ProbeCase]:
    """Batches of several sizes, of one; small and large totals."""

    def inputs(batch_size: int, total: float) -> dict:
        return {
            "seed": int(random.randint(1000)),
            "batch_size": batch_size,
            "total": float(total),
        }

    yield ProbeCase("a batch of four", inputs(4, 10.0))
    yield ProbeCase("a batch of five", inputs(5, random.uniform(0.1, 0.9)))
    yield ProbeCase("a batch of one", inputs(1, random.uniform(2, 9)), is_hidden=True)
    yield ProbeCase("a batch of 64", inputs(64, random.uniform(1e5, 1e6)), is_hidden=True)


@probe("PrioritizedReplayBuffer.importance_weights", weights="the weights")
def importance_weights(random: RandomState) -> Iterator[ProbeCase]:
    """Exponents from 0 to 1; buffers that are full, and not; tiny probabilities."""

    def inputs(batch_size: int, exponent: float, capacity: int, num_inserted: int) -> dict:
        return {
            "probabilities": random.uniform(0.01, 0.15, batch_size),
            "importance_exponent": exponent,
            "capacity": capacity,
            "num_inserted": num_inserted,
        }

    yield ProbeCase("an exponent of 0.4", inputs(5, 0.4, 20, 13))
    yield ProbeCase("an exponent of 1, a buffer that is full", inputs(6, 1.0, 20, 57))
    yield ProbeCase("an exponent of 0", inputs(3, 0.0, 20, 13), is_hidden=True)
    yield ProbeCase("a batch of one", inputs(1, 0.7, 20, 13), is_hidden=True)
    often = inputs(4, 0.5, 20, 31) | {"probabilities": random.uniform(0.1, 0.3, 4)}
    yield ProbeCase("all drawn more often than on average", often, is_hidden=True)
    tiny = inputs(32, 0.6, 10**6, 10**6) | {"probabilities": 10 ** random.uniform(-12, -3, 32)}
    yield ProbeCase("a large buffer and tiny probabilities", tiny, is_hidden=True)


@probe(
    "PiecewiseSchedule.__call__",
    values="the values",
    is_float="whether each value is a float",
)
def schedule_value(random: RandomState) -> Iterator[ProbeCase]:
    """At, before, after and between points; one point, many; whole numbers."""

    def inputs(points: list[list[float]]) -> dict:
        first, last = points[0][0], points[-1][0]
        inner = random.randint(first + 1, last + 2, 6).tolist()
        at_points = [step + i for step, _ in points for i in (-1, 0, 1)]
        return {"points": points, "steps": [0, first - 3, *inner, *at_points, last + 1, 3 * last]}

    def value() -> float:
        return round(float(random.uniform(-1.0, 1.0)), 3)

    yield ProbeCase(
        "epsilon of a DQN, in two pieces", inputs([[100, 1.0], [300, 0.5], [1300, 0.05]])
    )
    yield ProbeCase("up and down", inputs([[10, value()], [20, 3.0], [50, value()], [60, -2.0]]))
    yield ProbeCase("one point", inputs([[40, value()]]), is_hidden=True)
    yield ProbeCase("whole numbers", inputs([[5, 2], [9, 1], [100, 4]]), is_hidden=True)
    yield ProbeCase(
        "millions of steps", inputs([[7, 0.3], [10**6, value()], [10**7, 0.1]]), is_hidden=True
    )
    many = [[10 * i + 5, value()] for i in range(12)]
    yield ProbeCase("twelve points", inputs(many), is_hidden=True)


@probe(
    "build_mlp",
    shapes="the shapes of the weights, one after the other",
    y="the outputs",
    y_of_two_axes="the outputs of the same inputs along two leading axes",
    gradient="the gradient in the inputs",
    is_on_device="whether the weights are on the device",
    num_linear_maps="the number of linear maps in the Sequential",
    are_initialised="whether weights and biases of each map are drawn as PyTorch does",
    is_trainable="whether all weights are float32 and can be trained",
)
def mlp(random: RandomState) -> Iterator[ProbeCase]:
    """Many layers, one, none; default and other activations."""

    def inputs(input_size: int, output_size: int, n_layers: int, size: int, *names: str) -> dict:
        activations = dict(zip(("activation", "output_activation"), names, strict=False))
        return activations | {
            "input_size": input_size,
            "output_size": output_size,
            "n_layers": n_layers,
            "size": size,
            "seed": int(random.randint(1000)),
            "x": normal(random, 6, input_size),
        }

    yield ProbeCase("two hidden layers, defaults", inputs(3, 2, 2, 5))
    yield ProbeCase("three hidden layers, relu and tanh", inputs(4, 3, 3, 7, "relu", "tanh"))
    yield ProbeCase("one hidden layer", inputs(2, 1, 1, 8, "softplus"), is_hidden=True)
    yield ProbeCase("no hidden layer", inputs(4, 3, 0, 9), is_hidden=True)
    yield ProbeCase(
        "no hidden layer, an output activation",
        inputs(3, 4, 0, 9, "relu", "sigmoid"),
        is_hidden=True,
    )
    yield ProbeCase(
        "layers as wide as the input", inputs(5, 5, 3, 5, "leaky_relu", "selu"), is_hidden=True
    )
    for name in ("relu", "leaky_relu", "softplus"):
        one_layer = inputs(3, 4, 1, 6, "tanh", name)
        yield ProbeCase(f"an output activation: {name}", one_layer, is_hidden=True)
