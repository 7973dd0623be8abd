"""Cases of hw2_policy_gradients: public ones, which the hand-out's tests hold, and hidden ones."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.random import RandomState

from course.probe import ProbeCase, probe


def normal(random: RandomState, *shape: int) -> np.ndarray:
    """Standard normal numbers as float32."""
    return random.standard_normal(shape).astype(np.float32)


def pixels(random: RandomState, *shape: int) -> np.ndarray:
    """Bytes, 0 .. 255."""
    return random.randint(256, size=shape).astype(np.uint8)


def flags(length: int, *rows: int) -> np.ndarray:
    """Booleans (length,), true at these rows."""
    return np.isin(np.arange(length), rows)


def random_ends(random: RandomState, *shape: int) -> tuple[np.ndarray, np.ndarray]:
    """`dones` and `truncateds` of episodes of about eight steps; a few steps are both."""
    dones, truncateds = random.random_sample((2, *shape)) < 0.07
    return dones, truncateds | (dones & (random.random_sample(shape) < 0.3))


# --- log-probabilities ----------------------------------------------------------------------


@probe(
    "Categorical.log_prob",
    log_probs="the log-probabilities",
    gradient="their sum's gradient in the logits",
)
def categorical_log_prob(random: RandomState) -> Iterator[ProbeCase]:
    """Batch and action axes of different and of equal length, samples, extreme logits, types."""

    def inputs(
        num_actions: int, *shape: int, samples: tuple = (), scale: float = 1.0, dtype: type = int
    ) -> dict:
        actions = random.randint(num_actions, size=(*samples, *shape)).astype(dtype)
        return {"logits": scale * normal(random, *shape, num_actions), "actions": actions}

    yield ProbeCase("a batch of five, three actions", inputs(3, 5))
    yield ProbeCase("as many actions as rows", inputs(4, 4))
    yield ProbeCase("two samples a row", inputs(4, 3, samples=(2,)))
    yield ProbeCase("one row", inputs(5, 1), is_hidden=True)
    yield ProbeCase("two axes of rows", inputs(4, 3, 2), is_hidden=True)
    yield ProbeCase("two axes of rows, six samples of each", inputs(3, 2, 5, samples=(6,)), True)
    extreme = {
        "logits": np.float32([[0.0, 300.0, -300.0], [-200.0, 150.0, 0.0], [0.0, 0.0, 500.0]]),
        "actions": np.array([2, 0, 1]),
    }
    yield ProbeCase("actions of almost no probability", extreme, is_hidden=True)
    yield ProbeCase("actions as int32", inputs(3, 6, dtype=np.int32), is_hidden=True)
    yield ProbeCase("actions as uint8", inputs(4, 4, dtype=np.uint8), is_hidden=True)
    yield ProbeCase("two axes of samples", inputs(4, 3, samples=(2, 5)), is_hidden=True)


# A right solution may go by way of the action, whose noise is then rounded.
@probe(
    "DiagonalNormal.log_prob_of_noise",
    atol=1e-4,
    log_probs="the log-densities",
    std_gradient="their sum's gradient in std",
    noise_gradient="their sum's gradient in the noise",
)
def log_prob_of_noise(random: RandomState) -> Iterator[ProbeCase]:
    """Several components and one, samples, one std for the whole batch, wide and narrow ones."""

    def inputs(mean_shape: tuple, std_shape: tuple, samples: tuple = (), scale=1.0) -> dict:
        return {
            "mean": normal(random, *mean_shape),
            "std": (scale * (0.2 + 2.0 * random.random_sample(std_shape))).astype(np.float32),
            "noise": normal(random, *samples, *mean_shape),
        }

    yield ProbeCase("four actions of three components", inputs((4, 3), (4, 3)))
    yield ProbeCase("one std for all rows", inputs((5, 2), (2,)))
    yield ProbeCase("three samples a row", inputs((4, 2), (4, 2), samples=(3,)))
    yield ProbeCase("one component", inputs((6, 1), (6, 1)), is_hidden=True)
    yield ProbeCase("one row", inputs((1, 4), (4,), samples=(5,)), is_hidden=True)
    yield ProbeCase("wide", inputs((7, 3), (3,), scale=30.0), is_hidden=True)
    yield ProbeCase("narrow", inputs((3, 5), (3, 5), scale=0.3), is_hidden=True)
    far = inputs((4, 3), (4, 3)) | {"noise": 4.0 * normal(random, 4, 3)}
    yield ProbeCase("far from the mean", far, is_hidden=True)
    yield ProbeCase("two axes of samples", inputs((3, 2), (3, 2), samples=(2, 4)), True)
    # About 0, and of these deviations, the way by the action is exact.
    farther = {
        "mean": np.zeros((2, 2), np.float32),
        "std": np.float32([[0.5, 1.0], [2.0, 0.25]]),
        "noise": np.float32([[40.0, -45.0], [50.0, 0.5]]),
    }
    yield ProbeCase("very far from the mean", farther, is_hidden=True)
    sizes = np.float32([[1e-5], [1e-3], [3e3]])
    scales = {"mean": 0.0 * sizes, "std": sizes, "noise": normal(random, 3, 1)}
    yield ProbeCase("very narrow and very wide", scales, is_hidden=True)


# --- returns and advantages -----------------------------------------------------------------


@probe("reward_to_go", returns="the returns")
def reward_to_go(random: RandomState) -> Iterator[ProbeCase]:
    """With and without values; every way for an episode to end, also at the first and last row."""

    def inputs(dones: np.ndarray, truncateds: np.ndarray, discount: float, values: bool) -> dict:
        return {
            "rewards": 1.0 + normal(random, *dones.shape),
            "dones": dones,
            "truncateds": truncateds,
            "discount": discount,
            "next_values": 3.0 * normal(random, *dones.shape) if values else None,
        }

    one_of_each = flags(8, 2), flags(8, 5)
    yield ProbeCase(
        "an end, a time limit and an open end, no values", inputs(*one_of_each, 0.5, values=False)
    )
    yield ProbeCase(
        "an end, a time limit and an open end, with values", inputs(*one_of_each, 0.9, values=True)
    )
    numbers = [ends.astype(np.float32) for ends in random_ends(random, 7, 2)]
    numbers[0][2, 0] = numbers[1][3, 1] = 1.0
    yield ProbeCase("two environments, ends as 0 and 1", inputs(*numbers, 0.8, values=True))
    both = flags(7, 2, 6), flags(7, 2, 4, 6)
    yield ProbeCase("done and truncated at once", inputs(*both, 0.9, values=True))
    for name, ends in {
        "one open step": (flags(1), flags(1)),
        "ends at the first and the last row": (flags(6, 0, 5), flags(6, 3)),
        "a time limit at the last row": (flags(6, 2), flags(6, 5)),
        "done and truncated at the first row": (flags(5, 0), flags(5, 0, 2)),
    }.items():
        yield ProbeCase(name, inputs(*ends, 0.9, values=True), is_hidden=True)
    many = random_ends(random, 60, 3)
    yield ProbeCase("three environments, many episodes", inputs(*many, 0.97, values=True), True)
    integers = [ends.astype(int) for ends in both]
    yield ProbeCase("integers, done and truncated at once", inputs(*integers, 0.9, True), True)
    numbers = [ends.astype(np.float32) for ends in both]
    yield ProbeCase("floats, done and truncated at once", inputs(*numbers, 0.9, True), True)
    yield ProbeCase("discount 0", inputs(*one_of_each, 0.0, values=True), is_hidden=True)
    late = random_ends(random, 150)
    yield ProbeCase("powers of the discount too small", inputs(*late, 0.4, values=True), True)
    yield ProbeCase("in float64", in_float64(inputs(*one_of_each, 0.9, values=True)), True)


def in_float64(inputs: dict[str, Any]) -> dict[str, Any]:
    """The same inputs, with float64 for float32."""
    floats = {k: v for k, v in inputs.items() if getattr(v, "dtype", None) == np.float32}
    return inputs | {name: value.astype(np.float64) for name, value in floats.items()}


@probe("discounted_return", returns="the returns")
def discounted_return(random: RandomState) -> Iterator[ProbeCase]:
    """Episodes that end in either way, next to each other, of one step, and open at the end."""

    def inputs(dones: np.ndarray, truncateds: np.ndarray, discount: float) -> dict:
        return {
            "rewards": 1.0 + normal(random, *dones.shape),
            "dones": dones,
            "truncateds": truncateds,
            "discount": discount,
        }

    yield ProbeCase("one episode", inputs(flags(5, 4), flags(5), 0.5))
    yield ProbeCase("an end, a time limit, an end", inputs(flags(9, 2, 8), flags(9, 5), 0.9))
    both = np.stack([flags(6, 1), flags(6, 5)], axis=1), np.stack([flags(6, 4), flags(6)], axis=1)
    yield ProbeCase("two environments", inputs(*both, 0.8))
    numbers = flags(8, 0, 3).astype(np.float32), flags(8, 6).astype(np.float32)
    yield ProbeCase("ends as 0 and 1, the first at once", inputs(*numbers, 0.9), is_hidden=True)
    yield ProbeCase("one step", inputs(flags(1), flags(1), 0.9), is_hidden=True)
    each = flags(5, 0, 1, 3), flags(5, 2, 3, 4)
    yield ProbeCase("every step ends", inputs(*each, 0.9), is_hidden=True)
    many = random_ends(random, 60, 3)
    yield ProbeCase("three environments, many episodes", inputs(*many, 0.97), is_hidden=True)
    yield ProbeCase("nothing discounted", inputs(*many, 1.0), is_hidden=True)
    integers = [ends.astype(int) for ends in each]
    yield ProbeCase("ends as integers", inputs(*integers, 0.9), is_hidden=True)
    numbers = flags(9, 2, 6).astype(np.float32), flags(9, 2, 4).astype(np.float32)
    yield ProbeCase("floats, done and truncated at once", inputs(*numbers, 0.9), is_hidden=True)
    yield ProbeCase("discount 0", inputs(flags(9, 2), flags(9, 5), 0.0), is_hidden=True)
    late = random_ends(random, 150)
    yield ProbeCase("powers of the discount too small", inputs(*late, 0.4), is_hidden=True)
    yield ProbeCase("in float64", in_float64(inputs(*each, 0.9)), is_hidden=True)


@probe("gae", advantages="the advantages")
def gae(random: RandomState) -> Iterator[ProbeCase]:
    """Lambda between and at its bounds; every way for an episode to end."""

    def inputs(dones: np.ndarray, truncateds: np.ndarray, discount: float, lam: float) -> dict:
        values = 3.0 * normal(random, *dones.shape)
        ends = dones.astype(bool) | truncateds.astype(bool)
        ends[-1] = True
        following = np.concatenate([values[1:], values[:1]])
        next_values = np.where(ends, 3.0 * normal(random, *dones.shape), following)
        return {
            "rewards": 1.0 + normal(random, *dones.shape),
            "values": values,
            "next_values": next_values,
            "dones": dones,
            "truncateds": truncateds,
            "discount": discount,
            "gae_lambda": lam,
        }

    one_of_each = flags(8, 2), flags(8, 5)
    yield ProbeCase("an end, a time limit and an open end", inputs(*one_of_each, 0.9, 0.8))
    yield ProbeCase("lambda 0", inputs(flags(5, 1), flags(5, 3), 0.5, 0.0))
    numbers = [ends.astype(np.float32) for ends in random_ends(random, 7, 2)]
    numbers[0][2, 0] = numbers[1][3, 1] = 1.0
    yield ProbeCase("two environments, ends as 0 and 1", inputs(*numbers, 0.8, 0.5))
    both = flags(7, 2, 6), flags(7, 2, 4, 6)
    yield ProbeCase("done and truncated at once", inputs(*both, 0.9, 0.9))
    yield ProbeCase("lambda 1", inputs(*one_of_each, 0.9, 1.0), is_hidden=True)
    yield ProbeCase("one open step", inputs(flags(1), flags(1), 0.9, 0.8), is_hidden=True)
    bounds = flags(6, 0), flags(6, 3, 5)
    yield ProbeCase("ends at the first and the last row", inputs(*bounds, 0.9, 0.9), True)
    both = flags(5, 0), flags(5, 0, 2)
    yield ProbeCase("done and truncated at the first row", inputs(*both, 0.9, 0.9), is_hidden=True)
    many = random_ends(random, 60, 3)
    yield ProbeCase("three environments, many episodes", inputs(*many, 0.99, 0.95), is_hidden=True)
    integers = [ends.astype(int) for ends in both]
    yield ProbeCase("integers, done and truncated at once", inputs(*integers, 0.9, 0.8), True)
    numbers = [ends.astype(np.float32) for ends in both]
    yield ProbeCase("floats, done and truncated at once", inputs(*numbers, 0.9, 0.8), True)
    yield ProbeCase("discount 0", inputs(*one_of_each, 0.0, 0.9), is_hidden=True)
    own = inputs(*one_of_each, 0.9, 0.8)
    own["next_values"] = 3.0 * normal(random, 8)
    yield ProbeCase("values of next states that are no row's", own, is_hidden=True)
    yield ProbeCase("in float64", in_float64(inputs(*one_of_each, 0.9, 0.7)), is_hidden=True)


# Among numbers of the size of 100 the mean itself is rounded by 1e-5.
@probe("normalize", rtol=1e-3, atol=1e-3, normalized="the normalised advantages")
def normalize(random: RandomState) -> Iterator[ProbeCase]:
    """Few and many, two axes, an offset, tiny ones, equal ones, a single one."""

    def inputs(*shape: int, scale: float = 2.0, offset: float = 1.0) -> dict:
        return {"advantages": (offset + scale * normal(random, *shape)).astype(np.float32)}

    yield ProbeCase("six", inputs(6))
    yield ProbeCase("five steps of three environments", inputs(5, 3))
    yield ProbeCase("all equal", {"advantages": np.full(8, 0.75, np.float32)})
    yield ProbeCase("a single one", inputs(1))
    yield ProbeCase("one step of one environment", inputs(1, 1), is_hidden=True)
    yield ProbeCase("one step of four environments", inputs(1, 4), is_hidden=True)
    yield ProbeCase("two", {"advantages": np.float32([3.0, -1.0])}, is_hidden=True)
    yield ProbeCase("tiny", inputs(9, scale=1e-5, offset=0.0), is_hidden=True)
    yield ProbeCase("far from 0", inputs(40, scale=0.1, offset=100.0), is_hidden=True)
    yield ProbeCase("tinier", inputs(9, scale=1e-7, offset=0.0), is_hidden=True)


# --- the agent ------------------------------------------------------------------------------


@probe(
    "PolicyGradient.actor_loss",
    loss="the loss",
    loss_metric="the metric actor/loss",
    entropy_metric="the metric actor/entropy",
    gradient="the loss's gradient in the policy's weights",
    std_gradient="the loss's gradient in the policy's standard deviations",
)
def actor_loss(random: RandomState) -> Iterator[ProbeCase]:
    """Discrete and continuous actions, with and without an entropy bonus, one step."""

    def inputs(batch_size: int, discrete: bool, entropy_coefficient: float, size: int = 3) -> dict:
        std = (0.5 + random.random_sample(size)).astype(np.float32)
        return {
            "policy_weights": normal(random, size, 4),
            "std": None if discrete else std,
            "observations": normal(random, batch_size, 4),
            "actions": random.randint(size, size=batch_size)
            if discrete
            else normal(random, batch_size, size),
            "advantages": 0.5 + 2.0 * normal(random, batch_size),
            "entropy_coefficient": entropy_coefficient,
        }

    yield ProbeCase("discrete actions, no bonus", inputs(6, True, 0.0))
    yield ProbeCase("discrete actions with an entropy bonus", inputs(5, True, 0.3))
    yield ProbeCase("continuous actions with an entropy bonus", inputs(5, False, 0.1, size=2))
    yield ProbeCase("continuous actions, no bonus", inputs(7, False, 0.0), is_hidden=True)
    yield ProbeCase("one step", inputs(1, True, 0.2), is_hidden=True)
    no_advantage = inputs(4, True, 0.5) | {"advantages": np.zeros(4, np.float32)}
    yield ProbeCase("no advantage at all", no_advantage, is_hidden=True)
    yield ProbeCase("forty steps", inputs(40, False, 0.01, size=4), is_hidden=True)
    yield ProbeCase("a small bonus", inputs(5, True, 0.002), is_hidden=True)
    yield ProbeCase("actions of one component", inputs(5, False, 0.1, size=1), is_hidden=True)
    images = {
        "observations": pixels(random, 5, 2, 3, 2),
        "policy_weights": normal(random, 3, 2, 3, 2),
    }
    yield ProbeCase("images, as bytes", inputs(5, True, 0.1) | images, is_hidden=True)


@probe(
    "PolicyGradient.critic_loss",
    loss="the loss",
    loss_metric="the metric critic/loss",
    gradient="the loss's gradient in the baseline's weights",
)
def critic_loss(random: RandomState) -> Iterator[ProbeCase]:
    """Several steps and one, small errors and large ones."""

    def inputs(batch_size: int, scale: float = 2.0) -> dict:
        return {
            "baseline_weights": normal(random, 3),
            "observations": normal(random, batch_size, 3),
            "returns": scale * (1.0 + normal(random, batch_size)),
        }

    yield ProbeCase("four steps", inputs(4))
    yield ProbeCase("seven steps", inputs(7))
    yield ProbeCase("one step", inputs(1), is_hidden=True)
    yield ProbeCase("large returns", inputs(5, scale=100.0), is_hidden=True)
    yield ProbeCase("fifty steps", inputs(50), is_hidden=True)
    yield ProbeCase("returns in thousands", inputs(4, scale=5e3), is_hidden=True)
    images = {
        "observations": pixels(random, 5, 2, 3, 2),
        "baseline_weights": normal(random, 2, 3, 2),
    }
    yield ProbeCase("images, as bytes", inputs(5) | images, is_hidden=True)


@probe(
    "PolicyGradient.estimate_advantages",
    advantages="the advantages",
    returns="the returns",
    values="the baseline's values",
)
def estimate_advantages(random: RandomState) -> Iterator[ProbeCase]:
    """Without a baseline, with one, and by GAE, also with lambda 0."""

    def inputs(
        dones: np.ndarray,
        truncateds: np.ndarray,
        baseline: bool,
        to_go: bool = True,
        gae_lambda: float | None = None,
    ) -> dict:
        num_steps = len(dones)
        return {
            "observations": normal(random, num_steps, 3),
            "next_observations": normal(random, num_steps, 3),
            "rewards": 1.0 + normal(random, num_steps),
            "dones": dones,
            "truncateds": truncateds,
            "baseline_weights": normal(random, 3) if baseline else None,
            "discount": 0.9,
            "use_reward_to_go": to_go,
            "gae_lambda": gae_lambda,
        }

    ends = flags(6, 2), flags(6, 5)
    yield ProbeCase("no baseline, whole returns", inputs(*ends, baseline=False, to_go=False))
    yield ProbeCase("a baseline, reward-to-go", inputs(*ends, baseline=True))
    yield ProbeCase("generalised advantages", inputs(*ends, baseline=True, gae_lambda=0.8))
    yield ProbeCase("a baseline, whole returns", inputs(*ends, baseline=True, to_go=False))
    both = flags(6, 2, 4), flags(6, 4, 5)
    at_once = inputs(*both, baseline=True, gae_lambda=0.0)
    yield ProbeCase("lambda 0, a step both done and truncated", at_once)
    one = flags(1), flags(1, 0)
    yield ProbeCase("no baseline, reward-to-go", inputs(*ends, baseline=False), is_hidden=True)
    whole = inputs(*both, baseline=True, to_go=False, gae_lambda=0.7)
    yield ProbeCase("generalised advantages, whole returns set", whole, is_hidden=True)
    yield ProbeCase("one step", inputs(*one, baseline=True), is_hidden=True)
    yield ProbeCase("one step, lambda 1", inputs(*one, baseline=True, gae_lambda=1.0), True)
    whole = inputs(*ends, baseline=True, to_go=False, gae_lambda=1.0) | {"discount": 0.5}
    yield ProbeCase("lambda 1, whole returns set", whole, is_hidden=True)
    for name, setting in (("generalised", {"gae_lambda": 0.8}), ("reward-to-go", {})):
        images = {
            "observations": pixels(random, 6, 2, 3, 2),
            "next_observations": pixels(random, 6, 2, 3, 2),
            "baseline_weights": normal(random, 2, 3, 2),
        }
        given = inputs(*ends, baseline=True, **setting) | images
        yield ProbeCase(f"images, as bytes, {name}", given, is_hidden=True)
