"""Cases of hw5_ppo: public ones, which the hand-out's tests hold, and hidden ones."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.random import RandomState

from course.probe import ProbeCase, probe
from hw.homework.recipe import masks_of

END = tuple[int, int]  # row and lane of a step with which an episode ends


def normal(random: RandomState, *shape: int) -> np.ndarray:
    """Standard normal numbers as float32."""
    return random.standard_normal(shape).astype(np.float32)


def pixels(random: RandomState, *shape: int) -> np.ndarray:
    """Bytes, 0 .. 255."""
    return random.randint(256, size=shape).astype(np.uint8)


def seen(observations: np.ndarray, num_leading: int) -> np.ndarray:
    """Observations as a network takes them: floats with one axis after the leading ones."""
    numbers = observations / np.float32(255) if observations.dtype == np.uint8 else observations
    return numbers.reshape(*observations.shape[:num_leading], -1)


def uniform(random: RandomState, low: float, high: float, *shape: int) -> np.ndarray:
    """Uniform numbers as float32."""
    return random.uniform(low, high, shape).astype(np.float32)


def single(value: float | np.ndarray) -> np.ndarray:
    """As float32."""
    return np.asarray(value, np.float32)


def signs(random: RandomState, size: int) -> np.ndarray:
    """Ones and minus ones, in turn, from a random first one on."""
    return (1 - 2 * ((np.arange(size) + random.randint(2)) % 2)).astype(np.float32)


def ratios_and_advantages(
    random: RandomState, clip_ratio: float, repeats: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Ratios below, within and above the range, each with advantages of both signs, shuffled."""
    within = 0.8 * clip_ratio
    ratios = np.concatenate(
        [
            uniform(random, 0.1, 1 - 1.2 * clip_ratio, 2 * repeats),
            uniform(random, 1 - within, 1 + within, 2 * repeats),
            uniform(random, 1 + 1.2 * clip_ratio, 2.5 + clip_ratio, 2 * repeats),
        ]
    )
    advantages = uniform(random, 0.3, 2.5, len(ratios)) * np.tile(single([1, -1]), 3 * repeats)
    order = random.permutation(len(ratios))
    return ratios[order], advantages[order]


@probe(
    "clipped_surrogate",
    objectives="the objective of each step",
    gradient="the objectives' gradient in the ratios",
)
def clipped_surrogate(random: RandomState) -> Iterator[ProbeCase]:
    """Below, within and above the range, for good and bad actions."""

    def inputs(clip_ratio: float | np.ndarray, repeats: int) -> dict:
        ratios, advantages = ratios_and_advantages(random, float(clip_ratio), repeats)
        return {"ratios": ratios, "advantages": advantages, "clip_ratio": clip_ratio}

    yield ProbeCase("every side of the range, good and bad actions", inputs(0.2, 1))
    yield ProbeCase("epsilon as a tensor", inputs(single(0.3), 2))
    yield ProbeCase("a narrow range", inputs(0.05, 3), is_hidden=True)
    yield ProbeCase(
        "a policy that has not moved",
        {"ratios": np.ones(5, np.float32), "advantages": normal(random, 5), "clip_ratio": 0.2},
        is_hidden=True,
    )
    yield ProbeCase(
        "one bad action that has become a hundred times as likely",
        {"ratios": single([100.0]), "advantages": single([-3.0]), "clip_ratio": single(0.1)},
        is_hidden=True,
    )
    yield ProbeCase(
        "a bad action that has become a million times as likely",
        {"ratios": single([1e6, 0.5]), "advantages": single([-0.5, 2.0]), "clip_ratio": 0.1},
        is_hidden=True,
    )
    yield ProbeCase(
        "advantages of zero",
        {
            "ratios": uniform(random, 0.2, 2.0, 4),
            "advantages": np.zeros(4, np.float32),
            "clip_ratio": 0.2,
        },
        is_hidden=True,
    )


@probe("approximate_kl", kl="the estimate")
def approximate_kl(random: RandomState) -> Iterator[ProbeCase]:
    """Near and far, and a policy that has not moved."""
    yield ProbeCase("seven steps", {"log_ratios": 0.5 * normal(random, 7)})
    yield ProbeCase("a policy that has not moved", {"log_ratios": np.zeros(3, np.float32)})
    yield ProbeCase("one step", {"log_ratios": uniform(random, 0.5, 1.0, 1)}, is_hidden=True)
    yield ProbeCase(
        "all actions have become less likely",
        {"log_ratios": uniform(random, -3.0, -1.0, 9)},
        is_hidden=True,
    )
    yield ProbeCase(
        "all actions have become more likely",
        {"log_ratios": uniform(random, 1.0, 4.0, 5)},
        is_hidden=True,
    )
    yield ProbeCase("many steps", {"log_ratios": 0.2 * normal(random, 300)}, is_hidden=True)
    far = {"log_ratios": single([9.0, -60.0, 11.0]) + uniform(random, 0.0, 1.0, 3)}
    yield ProbeCase("far away", far, is_hidden=True)


@probe(
    "PPO.actor_loss",
    loss="the loss",
    gradient="the loss's gradient in the log-ratios",
    metrics="the metrics loss, ratio_mean, ratio_max, clip_fraction and approximate_kl",
)
def actor_loss(random: RandomState) -> Iterator[ProbeCase]:
    """With and without normalised advantages."""

    def inputs(
        clip_ratio: float,
        repeats: int,
        normalizes: bool,
        scale: float = 1.0,
        advantage: float | None = None,
    ) -> dict:
        ratios, advantages = ratios_and_advantages(random, clip_ratio, repeats)
        log_ratios = np.log(ratios)
        ratios, advantages = np.exp(log_ratios), scale * advantages + single(scale)
        if advantage is not None:
            advantages = np.full_like(advantages, advantage)
        used = advantages.astype(np.float64)
        if normalizes:
            used = (used - used.mean()) / (used.std(ddof=1) + 1e-8)
        clipped = ratios.clip(1 - clip_ratio, 1 + clip_ratio)
        is_free = ratios * used <= clipped * used
        objectives, slopes = np.where(is_free, ratios, clipped) * used, np.where(is_free, used, 0.0)
        right = {"ratios": ratios, "advantages": used, "clip_ratio": clip_ratio}
        kl = (ratios - 1 - log_ratios).mean()
        return {
            "log_ratios": log_ratios,
            "advantages": advantages,
            "clip_ratio": single(clip_ratio),
            "normalize_advantages": normalizes,
            **masks_of("clipped_surrogate", right, objectives, slopes),
            **masks_of("approximate_kl", {"log_ratios": log_ratios}, kl),
        }

    yield ProbeCase("advantages as they are", inputs(0.2, 1, normalizes=False))
    yield ProbeCase("normalised advantages", inputs(0.3, 1, normalizes=True))
    yield ProbeCase("large advantages, normalised", inputs(0.1, 2, True, 50.0), is_hidden=True)
    yield ProbeCase("many steps", inputs(0.2, 8, normalizes=False), is_hidden=True)
    yield ProbeCase("equal advantages, normalised", inputs(0.2, 1, True, advantage=0.75), True)


def value_inputs(random: RandomState, clip_range: float, repeats: int) -> dict[str, np.ndarray]:
    """Values that moved within the range or beyond: to the return, away from it, past it."""
    size = 6 * repeats
    old_values = 2 * normal(random, size)
    how_far = np.where(
        np.arange(size) % 2,
        uniform(random, 0.2, 0.8, size),
        uniform(random, 1.5, 3.0, size),
    )
    direction = signs(random, size) * np.repeat(single([1, -1, 1]), size // 3)
    kinds = np.repeat(np.arange(3), size // 3)
    to_return = np.select(
        [kinds == 0, kinds == 1],
        [uniform(random, 4.0, 6.0, size), -uniform(random, 2.0, 5.0, size)],
        uniform(random, 0.1, 0.4, size),
    )
    order = random.permutation(size)
    return {
        "values": single(old_values + direction * how_far * clip_range)[order],
        "old_values": old_values[order],
        "returns": single(old_values + direction * to_return * clip_range)[order],
    }


@probe(
    "clipped_value_errors",
    errors="the error of each value",
    gradient="the errors' gradient in the values",
)
def clipped_value_errors(random: RandomState) -> Iterator[ProbeCase]:
    """Every way for a value to move."""

    def inputs(clip_range: float | np.ndarray, repeats: int) -> dict:
        return value_inputs(random, float(clip_range), repeats) | {"clip_range": clip_range}

    yield ProbeCase("towards the return, away from it, past it", inputs(0.5, 1))
    yield ProbeCase("the range as a tensor", inputs(single(1.5), 1))
    yield ProbeCase("a narrow range", inputs(0.2, 3), is_hidden=True)
    yield ProbeCase(
        "values that have not moved",
        {
            "values": (values := normal(random, 4)),
            "old_values": values,
            "returns": normal(random, 4),
            "clip_range": 0.2,
        },
        is_hidden=True,
    )
    yield ProbeCase(
        "large values",
        {
            "values": 100 + uniform(random, 5.0, 9.0, 3),
            "old_values": 100 + np.zeros(3, np.float32),
            "returns": single([150.0, 50.0, 101.0]),
            "clip_range": 1.0,
        },
        is_hidden=True,
    )
    yield ProbeCase(
        "returns in thousands",
        {
            "values": 10 * normal(random, 4),
            "old_values": 10 * normal(random, 4),
            "returns": single([3e3, -5e3, 2e3, 8e3]),
            "clip_range": 2.0,
        },
        is_hidden=True,
    )


@probe(
    "PPO.ppo_loss",
    loss="the loss",
    gradient_policy_weights="the loss's gradient in the policy's weights",
    gradient_value_weights="the loss's gradient in the value function's weights",
    gradient_log_std="the loss's gradient in the logarithm of the policy's deviation",
    metrics="the metrics actor/loss, actor/entropy, actor/approximate_kl, actor/ratio_max and "
    "critic/loss",
    other_metrics="the other metrics of actor_loss",
)
def ppo_loss(random: RandomState) -> Iterator[ProbeCase]:
    """Discrete and continuous actions, with and without value clipping."""

    def inputs(
        batch_size: int,
        discrete: bool,
        value_clip_range: float | None,
        num_actions: int | None = None,
        shape: tuple[int, ...] | None = None,
    ) -> dict:
        num_actions = num_actions or (3 if discrete else 2)
        observations, value_weights = normal(random, batch_size, 4), normal(random, 4)
        if shape is not None:
            observations, value_weights = pixels(random, batch_size, *shape), normal(random, *shape)
        values = seen(observations, 1) @ value_weights.ravel()
        old_values = values + signs(random, batch_size) * uniform(random, 0.4, 1.5, batch_size)
        returns = values + 2 * normal(random, batch_size)
        clip_range = value_clip_range or np.inf
        clipped = old_values + (values - old_values).clip(-clip_range, clip_range)
        is_free = np.abs(values - returns) >= np.abs(clipped - returns)
        errors = np.where(is_free, values - returns, clipped - returns) ** 2
        slopes = np.where(is_free, 2 * (values - returns), 0.0)
        right = {
            "values": values,
            "old_values": old_values,
            "returns": returns,
            "tightness": 1 / (1 + clip_range),
        }
        actions = random.randint(num_actions, size=batch_size)
        return {
            "observations": observations,
            "actions": actions if discrete else normal(random, batch_size, num_actions),
            "old_log_probs": normal(random, batch_size) - 1,
            "old_values": old_values,
            "advantages": normal(random, batch_size) + 1,
            "returns": returns,
            "clip_ratio": single(random.uniform(0.1, 0.3)),
            "policy_weights": 0.5 * normal(random, *value_weights.shape, num_actions),
            "log_std": None if discrete else 0.5 * normal(random, num_actions),
            "value_weights": value_weights,
            "value_coefficient": random.uniform(0.3, 0.8),
            "entropy_coefficient": random.uniform(0.1, 0.3),
            "value_clip_range": value_clip_range,
            "actor_weights": normal(random, batch_size),
            **masks_of("clipped_value_errors", right, errors, slopes),
        }

    yield ProbeCase("discrete actions", inputs(5, discrete=True, value_clip_range=None))
    yield ProbeCase("continuous actions", inputs(6, discrete=False, value_clip_range=None))
    yield ProbeCase("values limited by a range", inputs(5, True, 0.3))
    yield ProbeCase("continuous, with a range", inputs(7, False, 0.2), is_hidden=True)
    yield ProbeCase("one step", inputs(1, True, None), is_hidden=True)
    yield ProbeCase("as many steps as actions", inputs(2, False, None), is_hidden=True)
    yield ProbeCase("actions of one component", inputs(5, False, 0.3, num_actions=1), True)
    yield ProbeCase("images, as bytes", inputs(6, True, None, shape=(2, 3, 2)), is_hidden=True)
    far = inputs(4, True, None)
    far["old_log_probs"] -= 30
    yield ProbeCase("far from the old policy", far, is_hidden=True)


def rollout_inputs(
    random: RandomState,
    num_steps: int,
    num_lanes: int,
    dones: Sequence[END] = (),
    truncateds: Sequence[END] = (),
    shape: tuple[int, ...] = (3,),
    draw: Callable[..., np.ndarray] = normal,
) -> dict[str, np.ndarray]:
    """A rollout in which each row goes on from the last one, but where an episode ended."""
    leading = num_steps, num_lanes
    observations = draw(random, *leading, *shape)
    next_observations = draw(random, *leading, *shape)
    masks = np.zeros((2, *leading), bool)
    for mask, ends in zip(masks, (dones, truncateds), strict=True):
        for end in ends:
            mask[end] = True
    goes_on = ~masks.any(axis=0)
    goes_on[-1] = False
    next_observations[:-1][goes_on[:-1]] = observations[1:][goes_on[:-1]]
    return {
        "observations": observations,
        "next_observations": next_observations,
        "actions": random.randint(3, size=leading),
        "rewards": normal(random, *leading),
        "dones": masks[0],
        "truncateds": masks[1],
        "policy_weights": normal(random, *shape, 3),
        "value_weights": normal(random, *shape),
    }


def values_of(rollout: dict[str, np.ndarray], observations: str) -> np.ndarray:
    """The values (T, N) of a rollout's observations, or of its next ones."""
    return seen(rollout[observations], 2) @ rollout["value_weights"].ravel()


@probe("PPO.values_of_next", next_values="V of the state that each step leads to")
def values_of_next(random: RandomState) -> Iterator[ProbeCase]:
    """Ends of both kinds in the middle and at the last row."""

    def inputs(*sizes: int, **others: Any) -> dict:
        rollout = rollout_inputs(random, *sizes, **others)
        return rollout | {"values": values_of(rollout, "observations")}

    yield ProbeCase("no episode ends", inputs(4, 2))
    yield ProbeCase("a time limit in one lane", inputs(5, 3, truncateds=[(2, 1)]))
    yield ProbeCase(
        "a time limit and a termination", inputs(4, 3, truncateds=[(1, 0)], dones=[(2, 2)])
    )
    yield ProbeCase(
        "ends in the last row and in the first",
        inputs(5, 4, truncateds=[(4, 0), (0, 3)], dones=[(4, 1), (0, 2)]),
        is_hidden=True,
    )
    yield ProbeCase(
        "time limits in successive rows of all lanes",
        inputs(4, 2, truncateds=[(t, n) for t in (1, 2) for n in range(2)]),
        is_hidden=True,
    )
    yield ProbeCase("a rollout of one step", inputs(1, 3, truncateds=[(0, 1)]), is_hidden=True)
    yield ProbeCase("one lane", inputs(6, 1, truncateds=[(3, 0)]), is_hidden=True)
    yield ProbeCase(
        "images",
        inputs(4, 3, truncateds=[(1, 1)], dones=[(2, 0)], shape=(2, 2, 3)),
        is_hidden=True,
    )
    yield ProbeCase(
        "terminated at the time limit",
        inputs(5, 2, truncateds=[(2, 0), (3, 1)], dones=[(2, 0)]),
        is_hidden=True,
    )
    yield ProbeCase(
        "images, as bytes",
        inputs(4, 2, truncateds=[(1, 0)], dones=[(2, 1)], shape=(2, 3, 2), draw=pixels),
        is_hidden=True,
    )


@probe(
    "PPO.evaluate_rollout",
    observations_by_row="observations, one row for each step and environment,",
    actions_by_row="actions, one row for each step and environment,",
    log_probs_by_row="the log-probability of each action",
    values_by_row="V of each observation",
    advantages_by_row="the advantage of each action",
    returns_by_row="the return that each value is trained on",
)
def evaluate_rollout(random: RandomState) -> Iterator[ProbeCase]:
    """Ends of both kinds, discrete and continuous actions."""

    def inputs(rollout: dict, discrete: bool = True, num_actions: int = 3) -> dict:
        if not discrete:
            rollout["actions"] = normal(random, *rollout["rewards"].shape, num_actions)
            rollout["log_std"] = 0.5 * normal(random, num_actions)
            rollout["policy_weights"] = rollout["policy_weights"][..., :num_actions]
        discount, gae_lambda = random.uniform(0.85, 0.95), random.uniform(0.4, 0.7)
        right = {name: rollout[name] for name in ("next_observations", "dones", "truncateds")}
        right["values"] = values_of(rollout, "observations")
        masks = masks_of("values_of_next", right, values_of(rollout, "next_observations"))
        return rollout | {"discount": discount, "gae_lambda": gae_lambda} | masks

    yield ProbeCase(
        "a time limit and a termination",
        inputs(rollout_inputs(random, 4, 3, truncateds=[(1, 0)], dones=[(2, 2)])),
    )
    yield ProbeCase(
        "continuous actions",
        inputs(rollout_inputs(random, 3, 2, truncateds=[(1, 1)]), discrete=False),
    )
    yield ProbeCase(
        "ends in the last row",
        inputs(rollout_inputs(random, 5, 3, truncateds=[(4, 0)], dones=[(4, 2), (1, 1)])),
        is_hidden=True,
    )
    yield ProbeCase(
        "images, as many steps as environments",
        inputs(rollout_inputs(random, 3, 3, truncateds=[(0, 1)], shape=(2, 2, 2)), False),
        is_hidden=True,
    )
    yield ProbeCase("one step", inputs(rollout_inputs(random, 1, 4)), is_hidden=True)
    yield ProbeCase("one environment, no end", inputs(rollout_inputs(random, 6, 1)), is_hidden=True)
    both = rollout_inputs(random, 5, 2, truncateds=[(1, 0), (3, 1)], dones=[(1, 0), (4, 1)])
    yield ProbeCase("terminated at the time limit", inputs(both), is_hidden=True)
    one = rollout_inputs(random, 4, 2, truncateds=[(2, 1)])
    yield ProbeCase("actions of one component", inputs(one, False, num_actions=1), is_hidden=True)
    images = rollout_inputs(random, 3, 2, dones=[(1, 1)], shape=(2, 3, 2), draw=pixels)
    yield ProbeCase("images, as bytes", inputs(images), is_hidden=True)


@probe(
    "PPO.minibatches",
    rtol=0.0,
    atol=0.0,
    sizes="the number of rows in each tensor of each minibatch",
    observations_of_epochs="each epoch's observations",
    actions_of_epochs="the actions that came with the observations of each epoch",
    advantages_of_epochs="the advantages that came with the observations of each epoch",
    num_orders="the number of different orders among the epochs of two calls and the rollout (too "
    "few: not shuffled, or shuffled only once)",
    num_groups="the number of minibatches with different rows",
    is_in_time_order="whether most rows still stand beside their neighbours in the rollout",
    is_by_chance="whether each of these is as common as by chance: a row at a place, a row after "
    "another, two rows in a minibatch, and from an epoch to the next a place after a place, a row "
    "after a row, and neighbours kept",
)
def minibatches(random: RandomState) -> Iterator[ProbeCase]:
    """Some epochs, one, a minibatch that is the rollout, minibatches of one row."""

    def inputs(num_rows: int, batch_size: int, num_epochs: int) -> dict:
        return {
            "observations": normal(random, num_rows, 2),
            "actions": random.randint(5, size=num_rows),
            "advantages": normal(random, num_rows),
            "batch_size": batch_size,
            "num_epochs": num_epochs,
            "seed": random.randint(2**31),
        }

    yield ProbeCase("three epochs", inputs(40, 8, 3))
    yield ProbeCase("one epoch", inputs(36, 12, 1))
    yield ProbeCase("the whole rollout at once", inputs(32, 32, 4), is_hidden=True)
    yield ProbeCase("one row at a time", inputs(24, 1, 2), is_hidden=True)
    yield ProbeCase("many epochs", inputs(64, 16, 10), is_hidden=True)
    yield ProbeCase("so many epochs that chance evens out", inputs(64, 16, 400), is_hidden=True)


@probe(
    "PPO.minibatch_steps",
    taken="the minibatches on which a step was taken, and epsilon",
    losses="the metric actor/loss of each step that is returned",
    returned_divergences="the metric actor/approximate_kl of each step that is returned",
    other_metrics="the other metrics of each step that is returned",
)
def minibatch_steps(random: RandomState) -> Iterator[ProbeCase]:
    """No limit, a limit that is never passed, one that is passed sooner or later."""

    def inputs(target_kl: float | None, factors: Sequence[float]) -> dict:
        """Two rows for each factor, with advantages of about this multiple of the target."""
        sizes = np.array(factors) * random.uniform(0.98, 1.02, len(factors)) * (target_kl or 1.0)
        return {
            "observations": normal(random, 2 * len(factors), 3),
            "advantages": single(np.repeat(sizes, 2) * signs(random, 2 * len(factors))),
            "clip_ratio": single(random.uniform(0.1, 0.3)),
            "target_kl": target_kl,
        }

    yield ProbeCase("no limit", inputs(None, [0.1, 0.5, 2.0, 9.0]))
    yield ProbeCase("too far after the third step", inputs(0.02, [0.1, 1.2, 1.8, 0.3, 0.2]))
    yield ProbeCase("never too far", inputs(0.1, [0.5, 0.9, 1.2, 1.4]), is_hidden=True)
    yield ProbeCase("too far at once", inputs(0.01, [5.0, 0.5, 0.1, 2.0]), is_hidden=True)
    yield ProbeCase(
        "too far after the last but one", inputs(0.05, [0.1, 0.2, 1.1, 1.4, 1.7, 0.9]), True
    )
    yield ProbeCase("a target of 0", inputs(0.0, [0.4, 0.1, 2.0]), is_hidden=True)
    at_limit = inputs(0.5, [0.2, 1.5, 1.5, 1.9, 0.1])
    at_limit["advantages"] = single(np.repeat([0.1, 0.75, -0.75, 0.95, 0.05], 2))
    yield ProbeCase("just at the limit, then over it", at_limit, is_hidden=True)


@probe(
    "TD3.smoothed_target_actions",
    actions="the actions",
    actions_without_noise="the actions with target_noise at 0",
)
def smoothed_target_actions(random: RandomState) -> Iterator[ProbeCase]:
    """Noise within its bound, beyond it, and actions at the edge."""

    def inputs(
        batch_size: int, action_dim: int, noise: float, noise_clip: float, scale: float = 0.3
    ) -> dict:
        return {
            "next_observations": normal(random, batch_size, 3),
            "actor_weights": scale * normal(random, 3, action_dim),
            "target_actor_weights": scale * normal(random, 3, action_dim),
            "exploration_noise": 0.45,
            "target_noise": noise,
            "target_noise_clip": noise_clip,
            "seed": random.randint(2**31),
        }

    yield ProbeCase("noise of which some is clipped", inputs(12, 2, 0.3, 0.4))
    yield ProbeCase("actions near the edge", inputs(10, 3, 0.2, 0.5, scale=2.0))
    yield ProbeCase("noise that is nearly all clipped", inputs(20, 4, 5.0, 0.3), is_hidden=True)
    yield ProbeCase("one state", inputs(1, 6, 0.3, 0.3, scale=1.0), is_hidden=True)
    yield ProbeCase("a bound wider than the actions", inputs(30, 2, 2.0, 3.0), is_hidden=True)
    images = inputs(5, 2, 0.2, 0.4) | {
        "next_observations": pixels(random, 5, 2, 3, 2),
        "actor_weights": 0.3 * normal(random, 2, 3, 2, 2),
        "target_actor_weights": 0.3 * normal(random, 2, 3, 2, 2),
    }
    yield ProbeCase("images, as bytes", images, is_hidden=True)


@probe(
    "TD3.actor_loss",
    loss="the loss",
    gradient="the loss's gradient in the actor's weights",
    reported_loss="the metric actor/loss",
    saturation="the metric actor/saturation",
    requires_grad="whether the actor and the critics require gradient after the call",
)
def td3_actor_loss(random: RandomState) -> Iterator[ProbeCase]:
    """Several critics, one, saturated actions."""

    def inputs(num_critics: int, batch_size: int, scale: float = 0.5) -> dict:
        return {
            "observations": normal(random, batch_size, 4),
            "actor_weights": scale * normal(random, 4, 2),
            "target_actor_weights": scale * normal(random, 4, 2),
            "critic_weights": normal(random, num_critics, 6),
            "target_critic_weights": normal(random, num_critics, 6),
        }

    yield ProbeCase("two critics", inputs(2, 5))
    yield ProbeCase("three critics, saturated actions", inputs(3, 4, scale=3.0))
    yield ProbeCase("one critic", inputs(1, 7), is_hidden=True)
    yield ProbeCase("as many critics as states", inputs(4, 4, scale=1.0), is_hidden=True)
    yield ProbeCase("one state", inputs(3, 1), is_hidden=True)
    images = inputs(2, 5) | {
        "observations": pixels(random, 5, 2, 3, 2),
        "actor_weights": 0.5 * normal(random, 2, 3, 2, 2),
        "target_actor_weights": 0.5 * normal(random, 2, 3, 2, 2),
        "critic_weights": normal(random, 2, 14),
        "target_critic_weights": normal(random, 2, 14),
    }
    yield ProbeCase("images, as bytes", images, is_hidden=True)


@probe(
    "TD3.update",
    critics_by_call="the critics' weights after each call",
    actor_by_call="the actor's weights after each call",
    target_actor_by_call="the target actor's weights after each call",
    target_critics_by_call="the target critics' weights after each call",
    learning_rate_by_call="the actor's learning rate after each call",
    num_updates_by_call="num_updates after each call",
    critic_loss_by_call="the metric critic/loss of each call",
    reports_the_actor_by_call="whether each call's metrics hold actor/loss",
    actor_loss_by_call="the metric actor/loss of each call (0 without)",
    reports_others_by_call="whether each call's metrics hold all others of the losses computed",
    other_metrics_by_call="those other metrics of each call, each as one number (0 without)",
)
def td3_update(random: RandomState) -> Iterator[ProbeCase]:
    """Several periods, with importance weights, and from the middle of a run."""

    def inputs(period: int, num_calls: int, weighted: bool = False, num_updates: int = 0) -> dict:
        return {
            "observations": normal(random, 4, 3),
            "actions": normal(random, 4, 2),
            "rewards": normal(random, 4),
            "next_observations": normal(random, 4, 3),
            "dones": (np.arange(4) == 2).astype(np.float32),
            "weights": uniform(random, 0.2, 1.0, 4) if weighted else None,
            **{
                name: normal(random, 3)
                for name in ("actor", "critics", "target_actor", "target_critics")
            },
            "actor_update_period": period,
            "soft_target_update_rate": random.uniform(0.2, 0.4),
            "num_updates": num_updates,
            "num_calls": num_calls,
        }

    yield ProbeCase("every second call", inputs(2, 5))
    yield ProbeCase("every third call, with importance weights", inputs(3, 7, weighted=True))
    yield ProbeCase("every call", inputs(1, 3), is_hidden=True)
    yield ProbeCase("a run that goes on after five updates", inputs(3, 4, True, 5), is_hidden=True)
    yield ProbeCase("a long period", inputs(5, 11), is_hidden=True)
    images = {name: pixels(random, 4, 2, 3, 2) for name in ("observations", "next_observations")}
    yield ProbeCase("images, as bytes", inputs(2, 4) | images, is_hidden=True)
