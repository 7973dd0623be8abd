"""Cases of hw3_dqn: public ones, which the hand-out's tests hold, and hidden ones."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike

from course.probe import ProbeCase, probe
from hw.homework.recipe import masks_of

SEED_BOUND = 2**31 - 1


def normal(random: RandomState, *shape: int) -> np.ndarray:
    """Standard normal numbers as float32."""
    return random.standard_normal(shape).astype(np.float32)


def pixels(random: RandomState, *shape: int) -> np.ndarray:
    """Bytes, 0 .. 255."""
    return random.randint(256, size=shape).astype(np.uint8)


def q_table(random: RandomState, num_rows: int, num_actions: int) -> np.ndarray:
    """(B, A) numbers, no two of a row closer than 0.4."""
    ranks = np.argsort(random.rand(num_rows, num_actions), axis=1)
    numbers = ranks - 0.5 * num_actions + random.uniform(-0.3, 0.3, size=(num_rows, num_actions))
    return numbers.astype(np.float32)


@probe("max_values", values="the value of each state")
def max_values(random: RandomState) -> Iterator[ProbeCase]:
    """Several shapes, negative values, equal ones, large ones."""

    def inputs(q_values: np.ndarray) -> dict[str, Any]:
        return {"q_values": q_values}

    yield ProbeCase("four states, three actions", inputs(q_table(random, 4, 3)))
    yield ProbeCase("as many states as actions", inputs(q_table(random, 3, 3)))
    negative = -1.0 - normal(random, 5, 2) ** 2
    yield ProbeCase("only negative values", inputs(negative), is_hidden=True)
    yield ProbeCase("one state", inputs(normal(random, 1, 6)), is_hidden=True)
    yield ProbeCase("one action", inputs(normal(random, 4, 1)), is_hidden=True)
    equal = np.full((3, 4), random.uniform(1.0, 2.0), np.float32)
    yield ProbeCase("equal values, and large ones", inputs(equal * [[1], [-1], [1e6]]), True)


@probe("double_q_values", values="the value of each state")
def double_q_values(random: RandomState) -> Iterator[ProbeCase]:
    """Networks that disagree, several shapes."""

    def inputs(num_states: int, num_actions: int) -> dict[str, Any]:
        q_values = q_table(random, num_states, num_actions)
        judgement = normal(random, num_states, num_actions) - 0.7 * q_values
        return {"q_values": q_values, "target_q_values": judgement.astype(np.float32)}

    yield ProbeCase("five states, three actions", inputs(5, 3))
    yield ProbeCase("as many states as actions", inputs(4, 4))
    yield ProbeCase("one state", inputs(1, 5), is_hidden=True)
    yield ProbeCase("one action", inputs(4, 1), is_hidden=True)
    yield ProbeCase("more actions than states", inputs(3, 18), is_hidden=True)
    tied = inputs(4, 3)  # whichever of the best two is chosen, the judgement is the same
    for chooser, judge in zip(tied["q_values"], tied["target_q_values"], strict=True):
        first, second = chooser.argsort()[:-3:-1]
        chooser[second], judge[second] = chooser[first], judge[first]
    yield ProbeCase("two best actions", tied, is_hidden=True)
    close = inputs(5, 4)
    close["q_values"] = np.float32(1.0) + np.float32(1e-4) * close["q_values"]
    yield ProbeCase("actions that are nearly as good", close, is_hidden=True)


def n_step_batch(
    random: RandomState, num_steps: list[int], dones: list[int], n: int
) -> dict[str, np.ndarray]:
    """Rewards (B, n), zero from each row's number of steps on; dones as booleans; that number."""
    num_steps = np.array(num_steps)
    rewards = normal(random, len(num_steps), n) + 1.5
    is_step = np.arange(n) < num_steps[:, None]
    return {
        "rewards": rewards * is_step,
        "dones": np.array(dones, bool),
        "num_steps": num_steps,
        "is_step": is_step,
    }


@probe(
    "n_step_targets",
    targets="the targets",
    value_gradient="the gradient of their sum in next_values",
    reward_gradient="the gradient of their sum in the rewards of each row's steps",
)
def n_step_targets(random: RandomState) -> Iterator[ProbeCase]:
    """Ends and time limits at each place, discounts at both ends of their range."""

    def inputs(num_steps: list[int], dones: list[int], n: int, discount: float) -> dict[str, Any]:
        batch = n_step_batch(random, num_steps, dones, n)
        values = 4.0 + normal(random, len(num_steps))
        return {**batch, "next_values": values, "discount": discount}

    yield ProbeCase(
        "three steps, going on and terminated", inputs([3, 3, 3, 3], [0, 1, 0, 1], 3, 0.5)
    )
    yield ProbeCase(
        "episodes that end or are cut off early", inputs([3, 2, 2, 1, 1], [0, 1, 0, 1, 0], 3, 0.8)
    )
    numbers = inputs([4, 1, 3], [0, 0, 1], 4, 0.9)
    yield ProbeCase("dones as numbers", numbers | {"dones": numbers["dones"].astype(np.float32)})
    yield ProbeCase("as many steps as rows", inputs([4, 4, 3, 2], [0, 1, 0, 0], 4, 0.7), True)
    yield ProbeCase("one step", inputs([1, 1, 1], [0, 1, 0], 1, 0.9), is_hidden=True)
    yield ProbeCase("one row", inputs([2], [0], 5, 0.9), is_hidden=True)
    rare = inputs([4, 4, 3, 2, 1], [0, 0, 0, 1, 0], 4, 0.8)
    rare["rewards"][[0, 0, 1, 1, 1, 2, 3, 4], [1, 3, 0, 1, 2, 2, 0, 0]] = 0.0
    yield ProbeCase("steps without a reward", rare, is_hidden=True)
    yield ProbeCase("discount 0", inputs([3, 2, 1, 2], [0, 0, 0, 1], 3, 0.0), is_hidden=True)
    yield ProbeCase("discount 1", inputs([3, 2, 1, 2], [0, 0, 0, 1], 3, 1.0), is_hidden=True)
    integers = inputs([2, 3, 1, 3], [1, 0, 0, 1], 3, 0.9)
    yield ProbeCase("dones as integers", integers | {"dones": integers["dones"].astype(int)}, True)


def huber(errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Huber's function of errors, and its slope."""
    sizes = np.abs(errors)
    return np.where(sizes <= 1, errors**2 / 2, sizes - 0.5), np.clip(errors, -1, 1)


@probe(
    "huber_td_loss",
    loss="the loss",
    gradient="the loss's gradient in q_values",
    target_gradient="the loss's gradient in targets",
)
def huber_td_loss(random: RandomState) -> Iterator[ProbeCase]:
    """Errors of both signs on both sides of 1, with weights and without."""

    def inputs(errors: list[float], weighted: bool) -> dict[str, Any]:
        targets = normal(random, len(errors))
        wobble = random.uniform(0.8, 1.2, size=len(errors))
        q_values = (targets + wobble * errors).astype(np.float32)
        weights = random.uniform(0.1, 1.0, size=len(errors)).astype(np.float32)
        return {
            "q_values": q_values,
            "targets": targets,
            "weights": weights if weighted else None,
        }

    yield ProbeCase("small and large errors", inputs([0.5, -0.3, 3.0, -2.0, 0.1], False))
    yield ProbeCase("with importance weights", inputs([0.6, -4.0, 2.0, -0.4], True))
    yield ProbeCase("only small errors", inputs([0.5, -0.3, 0.1], True), is_hidden=True)
    yield ProbeCase("only large errors", inputs([5.0, -30.0, 1e4, 2.0], True), is_hidden=True)
    yield ProbeCase("one sample", inputs([-2.5], True), is_hidden=True)
    none = inputs([0.0, 0.0, 0.0], False)
    yield ProbeCase("no error", none, is_hidden=True)
    some_zero = inputs([2.0, -0.5, 3.0, -0.2], True)
    some_zero["weights"][1:3] = 0.0
    yield ProbeCase("weights of zero", some_zero, is_hidden=True)
    near = random.permutation([1.015, -1.015, 0.985, -0.985]).astype(np.float32)
    at_edge = inputs([0.0] * 4, True) | {"q_values": near, "targets": np.zeros(4, np.float32)}
    yield ProbeCase("errors just below and above 1", at_edge, is_hidden=True)
    yield ProbeCase("an error in millions", inputs([3e6, -0.5], True), is_hidden=True)


@probe(
    "DQN.critic_loss",
    given_q_values="what huber_td_loss is given as q_values",
    given_targets="what huber_td_loss is given as targets",
    given_weights="what huber_td_loss is given as weights, None being ones,",
    loss="the loss",
    gradient="the loss's gradient in the network's weights",
    target_network_gradient="the loss's gradient in the target network's weights",
    td_errors="the metric td_errors",
    **{
        "critic/loss": "the metric critic/loss",
        "critic/q_values": "the metric critic/q_values",
        "critic/target_values": "the metric critic/target_values",
    },
)
def critic_loss(random: RandomState) -> Iterator[ProbeCase]:
    """Linear networks; actions that repeat; weights; one sample; square shapes."""

    def inputs(
        batch_size: int, num_actions: int, weighted: bool, shape: tuple[int, ...] = ()
    ) -> dict[str, Any]:
        observations = seen = normal(random, batch_size, 4)
        if shape:
            observations = pixels(random, batch_size, *shape)
            seen = observations.reshape(batch_size, -1) / np.float32(255)
        critic = normal(random, seen.shape[1], num_actions)
        q_values = seen @ critic
        actions = random.randint(num_actions, size=batch_size)
        actions[0] = q_values[0].argmin()  # the greedy actions alone would be wrong
        taken_values = q_values[np.arange(batch_size), actions]
        # Errors on both sides of 1, of both signs, and none of them near 0.
        signs = np.where(np.arange(batch_size) % 2, 1, -1)
        errors = signs * random.uniform(0.3, 3.0, size=batch_size)
        weights = random.uniform(0.2, 1.0, size=batch_size) if weighted else np.ones(batch_size)
        values, slopes = huber(errors)
        targets = taken_values - errors
        given = {
            "observations": observations,
            "critic": critic,
            "target_critic": normal(random, *critic.shape),
            "targets": targets,
            "weights": weights,
        }
        floats = {name: np.asarray(value, np.float32) for name, value in given.items()}
        if shape:
            floats |= {"observations": observations, "observation_shape": list(shape)}
        if not weighted:
            floats["weights"] = None
        right = {"q_values": taken_values, "targets": targets, "weights": weights}
        loss, slopes = (weights * values).mean(), weights * slopes / batch_size
        return {**floats, "actions": actions, **masks_of("huber_td_loss", right, loss, slopes)}

    yield ProbeCase("five samples, three actions", inputs(5, 3, weighted=False))
    yield ProbeCase("with importance weights", inputs(6, 2, weighted=True))
    yield ProbeCase("one sample", inputs(1, 3, weighted=True))
    yield ProbeCase("as many samples as actions", inputs(4, 4, weighted=True), is_hidden=True)
    yield ProbeCase("many actions", inputs(7, 18, weighted=False), is_hidden=True)
    yield ProbeCase("images, as bytes", inputs(5, 3, True, shape=(2, 3, 2)), is_hidden=True)


@probe(
    "DQN.bellman_targets",
    given_rewards="what n_step_targets is given as rewards",
    given_bootstrap="what n_step_targets is given as next_values, 0 where it is given a done,",
    given_num_steps="what n_step_targets is given as num_steps, 0 in rows that are done,",
    given_discount="what n_step_targets is given as discount, written once for each row,",
    targets="the targets",
)
def bellman_targets(random: RandomState) -> Iterator[ProbeCase]:
    """One step and several; ends and time limits; booleans and numbers."""

    def networks(num_rows: int, num_actions: int) -> dict[str, Any]:
        return {
            "next_observations": 1.0 + np.abs(normal(random, num_rows, 4)),
            "value_weights": 1.0 + np.abs(normal(random, 4)),
            "critic": normal(random, 4, num_actions),
            "target_critic": normal(random, 4, num_actions),
        }

    def inputs(given: dict[str, Any], discount: float, result: ArrayLike) -> dict[str, Any]:
        """With a stand-in for `n_step_targets`; one step is a row of one reward."""
        dones = given["dones"]
        num_steps = given.get("num_steps", np.ones(len(dones)))
        right = {
            "rewards": given["rewards"].reshape(len(dones), -1),
            "bootstrap": np.where(dones, 0.0, next_values(given)),
            "num_steps": np.where(dones, 0, num_steps),
            "discount": np.full(len(dones), discount),
        }
        return {**given, "discount": discount, **masks_of("n_step_targets", right, result)}

    def next_values(given: dict[str, Any]) -> np.ndarray:
        observations = given["next_observations"]
        if observations.dtype == np.uint8:
            observations = observations.reshape(len(observations), -1) / np.float32(255)
        return observations @ given["value_weights"]

    def images(num_rows: int) -> dict[str, Any]:
        return networks(num_rows, 3) | {
            "next_observations": pixels(random, num_rows, 2, 1, 2),
            "observation_shape": [2, 1, 2],
        }

    def one_step(dones: list[int], discount: float, **others: Any) -> dict[str, Any]:
        rewards = 3.0 * normal(random, len(dones))
        rewards[0] = random.uniform(2.0, 5.0)
        given = networks(len(dones), 3) | {"rewards": rewards, "dones": np.array(dones, bool)}
        given |= others
        result = rewards + discount * np.where(given["dones"], 0.0, next_values(given))
        return inputs(given, discount, result)

    def several(num_steps: list[int], dones: list[int], n: int, discount: float) -> dict[str, Any]:
        given = networks(len(dones), 3) | n_step_batch(random, num_steps, dones, n)
        given["rewards"][0, 0] = random.uniform(2.0, 5.0)
        values, result = next_values(given), []
        for row in range(len(dones)):
            bootstrapped = 0.0 if dones[row] else float(values[row])
            for reward in given["rewards"][row, : num_steps[row]][::-1]:
                bootstrapped = float(reward) + discount * bootstrapped
            result.append(bootstrapped)
        return inputs(given, discount, result)

    yield ProbeCase("one step", one_step([0, 1, 0, 0, 1], 0.9))
    yield ProbeCase("three steps", several([3, 3, 2, 2, 1], [0, 1, 1, 0, 0], 3, 0.5))
    numbers = one_step([1, 0, 0, 1], 0.6)
    yield ProbeCase(
        "dones as numbers", numbers | {"dones": numbers["dones"].astype(np.float32)}, True
    )
    yield ProbeCase("one sample", one_step([0], 0.99), is_hidden=True)
    yield ProbeCase("n-step targets of one step", several([1, 1, 1], [0, 1, 0], 1, 0.7), True)
    yield ProbeCase("as many steps as rows", several([4, 1, 3, 2], [0, 0, 1, 0], 4, 0.8), True)
    for name, given in {
        "dones as integers": one_step([1, 0, 0, 1], 0.7),
        "dones as integers, several steps": several([2, 1, 3], [1, 0, 1], 3, 0.8),
    }.items():
        yield ProbeCase(name, given | {"dones": given["dones"].astype(int)}, is_hidden=True)
    seen = one_step([0, 1, 0, 0, 1], 0.9, **images(5))
    yield ProbeCase("images, as bytes", seen, is_hidden=True)


@probe(
    "DQN.double_q_next_values",
    given_q_values="what double_q_values is given as q_values",
    given_target_q_values="what double_q_values is given as target_q_values",
    values="the value of each next observation",
)
def double_q_next_values(random: RandomState) -> Iterator[ProbeCase]:
    """Two networks that disagree."""

    def inputs(batch_size: int, num_actions: int) -> dict[str, Any]:
        # On rows of the identity a network's weights are its Q-values.
        critic = q_table(random, batch_size, num_actions)
        target_critic = (normal(random, batch_size, num_actions) - 0.7 * critic).astype(np.float32)
        right = {"q_values": critic, "target_q_values": target_critic}
        result = target_critic[np.arange(batch_size), critic.argmax(axis=1)]
        return {
            "next_observations": np.eye(batch_size, dtype=np.float32),
            "critic": critic,
            "target_critic": target_critic,
            **masks_of("double_q_values", right, result),
        }

    yield ProbeCase("five states, three actions", inputs(5, 3))
    yield ProbeCase("two states, four actions", inputs(2, 4))
    yield ProbeCase("as many states as actions", inputs(3, 3), is_hidden=True)
    yield ProbeCase("one state", inputs(1, 6), is_hidden=True)
    images = {
        "next_observations": 255 * np.eye(6, dtype=np.uint8).reshape(6, 2, 3),
        "observation_shape": [2, 3],
    }
    yield ProbeCase("images, as bytes", inputs(6, 3) | images, is_hidden=True)


@probe(
    "DQN.act",
    rtol=0.0,
    atol=0.03,  # five standard deviations of the difference of two shares of 15 000
    zeros="the type and shape of the actions",
    invalid="how many actions are none of 0 .. A - 1",
    shares="the share of each action in each state",
    agreement="the share of environments in which two calls give the same action",
    neighbours="the share of environments that act as the next one in the same state does",
    change="by how much the call changed its observations",
)
def act(random: RandomState) -> Iterator[ProbeCase]:
    """Epsilon in between, at 0 and at 1; the greedy actions; no step."""

    def inputs(step: int | None, epsilon: float, num_actions: int = 4, **others: Any) -> dict:
        critic = q_table(random, 2, num_actions)
        return {
            "critic": critic,
            "target_critic": -critic,
            "epsilon": epsilon,
            "epsilon_slope": random.uniform(0.12, 0.18),  # a step too early or late shows
            "step": step,
            "deterministic": False,
            "num_envs": 30_000,
            "num_calls": 2,
            "few": 3,
            "seed": int(random.randint(SEED_BOUND)),
        } | others

    yield ProbeCase("sometimes random", inputs(200, 0.6))
    yield ProbeCase("deterministic", inputs(100, 0.7, deterministic=True, num_envs=12))
    yield ProbeCase("no step", inputs(None, 0.8, num_actions=3))
    yield ProbeCase("always random", inputs(0, 1.0, num_actions=3), is_hidden=True)
    yield ProbeCase("never random", inputs(50, 0.0, num_envs=10), is_hidden=True)
    yield ProbeCase("rarely random", inputs(300, 0.25, num_actions=3), is_hidden=True)
    yield ProbeCase("one environment", inputs(50, 0.0, num_envs=3, few=1), is_hidden=True)
    often = inputs(40, 0.4, num_actions=3, num_envs=4, num_calls=7500)
    yield ProbeCase("few environments, many calls", often, is_hidden=True)
    images = inputs(20, 0.3, num_envs=12, deterministic=True, observation_shape=[2, 1, 1])
    images["critic"][:, 1] -= 8.0  # the best by its bias, unless the pixels are not scaled
    images["bias"] = np.float32([0.0, 20.0, 0.0, 0.0])
    yield ProbeCase("images, as bytes", images, is_hidden=True)


@probe(
    "DuelingHead.forward",
    q_values="the Q-values",
    value_gradient="the gradient of a weighted sum of them in the value stream",
    advantage_gradient="the gradient of a weighted sum of them in the advantage stream",
)
def dueling_head(random: RandomState) -> Iterator[ProbeCase]:
    """Several shapes, of which one has two leading axes."""

    def inputs(batch_shape: tuple[int, ...], num_actions: int) -> dict[str, Any]:
        return {
            "features": normal(random, *batch_shape, 5),
            "values": normal(random, 5, 1),
            "advantages": 1.0 + normal(random, 5, num_actions),
            "output_weights": normal(random, *batch_shape, num_actions),
        }

    yield ProbeCase("four states, three actions", inputs((4,), 3))
    yield ProbeCase("as many states as actions", inputs((3,), 3))
    yield ProbeCase("one state", inputs((1,), 4), is_hidden=True)
    yield ProbeCase("one action", inputs((4,), 1), is_hidden=True)
    yield ProbeCase("two leading axes", inputs((2, 4), 3), is_hidden=True)
    yield ProbeCase("no leading axis", inputs((), 3), is_hidden=True)
    yield ProbeCase("three leading axes", inputs((2, 3, 2), 4), is_hidden=True)


@probe(
    "NatureCNN.forward",
    rtol=1e-3,
    atol=1e-4,
    features="the features",
    gradient="the gradient of their sum in the first filters, summed for each filter",
    zeros="the type and shape of the features",
    is_float32="whether the features are float32",
    is_coarse="whether the features are numbers that bfloat16 has",
    change="by how much the call changed its argument",
)
def nature_cnn(random: RandomState) -> Iterator[ProbeCase]:
    """Each layout of images, bytes and floats, leading axes, with dense layers and without."""

    def inputs(observation_shape: list[int], **others: Any) -> dict[str, Any]:
        return {
            "observation_shape": observation_shape,
            "batch_shape": [2],
            "pixels": "uint8",
            "products": "float32",
            "n_layers": 1,
            "size": 6,
            "activation": "tanh",
            "seed": int(random.randint(SEED_BOUND)),
        } | others

    def floats(observation_shape: list[int], **others: Any) -> dict[str, Any]:
        return inputs(observation_shape, pixels="float32", **others)

    yield ProbeCase("stacked frames, channels first", inputs([4, 36, 44]))
    yield ProbeCase("colours, channels last, as floats", floats([44, 36, 3]))
    yield ProbeCase("grey, without a channel axis", inputs([40, 36], batch_shape=[3]))
    yield ProbeCase("two leading axes", inputs([4, 36, 36], batch_shape=[2, 3]))
    yield ProbeCase("products in bfloat16", inputs([4, 36, 36], products="bfloat16"))
    yield ProbeCase("channels last, as bytes", inputs([36, 36, 4], activation="relu"), True)
    many_channels = inputs([40, 36, 36], batch_shape=[1])
    yield ProbeCase("more channels than rows", many_channels, is_hidden=True)
    yield ProbeCase("no dense layer", inputs([2, 40, 36], n_layers=0), is_hidden=True)
    yield ProbeCase(
        "two dense layers, one image", inputs([1, 36, 36], batch_shape=[1], n_layers=2), True
    )
    yield ProbeCase("floats, channels first", floats([3, 36, 36]), is_hidden=True)
    yield ProbeCase("grey, two leading axes", floats([36, 40], batch_shape=[2, 2]), True)
    yield ProbeCase("no leading axis", inputs([36, 40, 3], batch_shape=[]), is_hidden=True)
    yield ProbeCase("no image", inputs([4, 36, 36], batch_shape=[0]), is_hidden=True)
    yield ProbeCase("integers that are no bytes", inputs([2, 36, 36], pixels="int32"), True)
    yield ProbeCase("booleans", inputs([2, 36, 36], pixels="bool"), is_hidden=True)
    yield ProbeCase("twelve channels, last", inputs([36, 40, 12]), is_hidden=True)
    large = floats([2, 36, 36], offset=-2.0, scale=6.0)
    yield ProbeCase("floats below 0 and above 1", large, is_hidden=True)
    yield ProbeCase("three leading axes", inputs([1, 36, 36], batch_shape=[2, 1, 2]), True)
