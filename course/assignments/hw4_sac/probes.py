"""Cases of hw4_sac: public ones, which the hand-out's tests hold, and hidden ones.

Shapes: B batch, K critics, S action samples, A action dimension, D size of an observation.
"""

import math
from collections.abc import Iterator

import numpy as np
from numpy.random import RandomState

from course.probe import ProbeCase, probe

D, A = 3, 2
IMAGE = 1, 2, 3  # the shape of one


def normal(random: RandomState, *shape: int) -> np.ndarray:
    """Standard normal numbers as float32."""
    return random.standard_normal(shape).astype(np.float32)


def positive(random: RandomState, *shape: int) -> np.ndarray:
    """Uniform numbers in [0.1, 1.1] as float32, for importance weights."""
    return (0.1 + random.rand(*shape)).astype(np.float32)


def images(random: RandomState, batch_size: int) -> np.ndarray:
    """Pixels, as uint8."""
    return random.randint(256, size=(batch_size, *IMAGE)).astype(np.uint8)


def scalar(value: float) -> np.ndarray:
    """A number as a float32 array without axes."""
    return np.array(value, np.float32)


def networks(
    random: RandomState,
    num_critics: int,
    batch_size: int,
    num_draws: int,
    temperature: float,
    size: int = D,
) -> dict:
    """What `recipes.agent_with_networks` needs; `num_draws` samples are due, and one is spare."""
    return {
        "actor_weights": 0.5 * normal(random, 2, size, A),
        "critic_weights": normal(random, num_critics, size + A),
        "target_critic_weights": normal(random, num_critics, size + A),
        "noise": normal(random, num_draws + 1, batch_size, A),
        "log_temperature": scalar(math.log(temperature)),
        "soft_value_weights": [1.0, -temperature],
        "entropy_weight": -1.0 / (num_draws * batch_size),
    }


# --- densities, critics, backups ------------------------------------------------------------


@probe(
    "log_tanh_slope",
    log_slope="sum_a log(1 - tanh(u_a)^2)",
    gradient="its gradient in u",
)
def log_tanh_slope(random: RandomState) -> Iterator[ProbeCase]:
    """Near zero, far out where tanh is 1 in float32, any leading shape."""
    yield ProbeCase("moderate values", {"pre_tanh": 2.0 * normal(random, 5, 3)})
    far = np.array([[12.0, -12.0], [-40.0, 3.0], [0.5, 90.0]], np.float32)
    yield ProbeCase("values so large that tanh is 1", {"pre_tanh": far})
    wide = 30.0 * normal(random, 4, 7, 2)
    yield ProbeCase("samples, batch and components", {"pre_tanh": wide}, is_hidden=True)
    yield ProbeCase("one component", {"pre_tanh": normal(random, 6, 1)}, is_hidden=True)
    yield ProbeCase("zeros", {"pre_tanh": np.zeros((2, 3), np.float32)}, is_hidden=True)
    rising = np.linspace(4.0, 10.0, 12) + 0.2 * random.rand(12)
    signs = np.where(random.rand(12) < 0.5, -1.0, 1.0)
    almost = (signs * rising).reshape(4, 3).astype(np.float32)
    yield ProbeCase("where tanh is nearly 1", {"pre_tanh": almost}, is_hidden=True)
    doubles = 3.0 * random.standard_normal((3, 4))
    yield ProbeCase("float64", {"pre_tanh": doubles}, is_hidden=True)
    farther = 3000.0 * normal(random, 5, 2)
    yield ProbeCase("thousands", {"pre_tanh": farther}, is_hidden=True)


@probe(
    "StateActionCriticEnsemble.forward",
    q_values="Q_k(s, a)",
    gradient_in_observations="the gradient of the sum of all Q-values in the observations",
    gradient_in_actions="the gradient of the sum of all Q-values in the actions",
    gradient_in_weights="the gradient of the sum of all Q-values in the critics' weights",
)
def ensemble_forward(random: RandomState) -> Iterator[ProbeCase]:
    """One batch axis, several, none; one critic; a linear network; bytes."""

    def inputs(num_critics: int, *batch_shape: int, n_layers: int = 1) -> dict:
        return {
            "num_critics": num_critics,
            "n_layers": n_layers,
            "seed": int(random.randint(1000)),
            "observations": normal(random, *batch_shape, D),
            "actions": normal(random, *batch_shape, A),
        }

    yield ProbeCase("three critics, a batch of five", inputs(3, 5))
    yield ProbeCase("four samples of each of five states", inputs(3, 4, 5))
    pixels = {"observations": random.randint(256, size=(4, D)).astype(np.uint8)}
    yield ProbeCase("observations of bytes", inputs(2, 4) | pixels)
    yield ProbeCase("one pair without a batch axis", inputs(2), is_hidden=True)
    yield ProbeCase("one critic, a batch of one", inputs(1, 1, n_layers=2), is_hidden=True)
    yield ProbeCase("critics without hidden layers", inputs(2, 6, n_layers=0), is_hidden=True)
    yield ProbeCase("as many samples as critics", inputs(3, 3, 4), is_hidden=True)
    yield ProbeCase("three leading axes", inputs(2, 2, 3, 4), is_hidden=True)
    yield ProbeCase("four leading axes, one critic", inputs(1, 2, 1, 3, 2), is_hidden=True)
    large = inputs(2, 4, n_layers=0)
    large |= {name: 30.0 * large[name] for name in ("observations", "actions")}
    yield ProbeCase("large numbers", large, is_hidden=True)


@probe("SoftActorCritic.entropy", entropy="the estimate of H")
def entropy(random: RandomState) -> Iterator[ProbeCase]:
    """One sample a state, several, one number."""
    yield ProbeCase("one sample of each state", {"log_probs": normal(random, 6)})
    yield ProbeCase("three samples of each state", {"log_probs": 2.0 + normal(random, 3, 5)})
    yield ProbeCase("one state", {"log_probs": 1.0 + normal(random, 1)}, is_hidden=True)
    large = 50.0 * normal(random, 2, 40)
    yield ProbeCase("far from zero", {"log_probs": large}, is_hidden=True)
    larger = 1e4 * normal(random, 3, 4) - 1e3
    yield ProbeCase("farther still", {"log_probs": larger}, is_hidden=True)
    yield ProbeCase("three axes", {"log_probs": normal(random, 2, 5, 3)}, is_hidden=True)


@probe(
    "SoftActorCritic.soft_values",
    values="Q - alpha log pi",
    gradient_in_q_values="the values' gradient in the Q-values",
    gradient_in_log_probs="the values' gradient in the log-probabilities",
    gradient_in_log_temperature="the values' gradient in log alpha",
)
def soft_values(random: RandomState) -> Iterator[ProbeCase]:
    """Log-probabilities of the batch alone, or of the Q-values' shape; whatever is switched on."""

    def inputs(
        temperature: float,
        q_shape: tuple[int, ...],
        shape: tuple[int, ...],
        bonus: bool = True,
        backup_entropy: bool = True,
    ) -> dict:
        return {
            "use_entropy_bonus": bonus,
            "backup_entropy": backup_entropy,
            "log_temperature": scalar(math.log(temperature)),
            "q_values": normal(random, *q_shape),
            "log_probs": normal(random, *shape),
        }

    yield ProbeCase("one value of each state", inputs(0.2, (5,), (5,)))
    yield ProbeCase("three critics, one log-probability", inputs(0.7, (3, 4), (4,)))
    yield ProbeCase("several samples", inputs(2.5, (3, 5), (3, 5)), is_hidden=True)
    yield ProbeCase("as many critics as states", inputs(0.5, (4, 4), (4,)), is_hidden=True)
    yield ProbeCase("a batch of one", inputs(0.1, (2, 1), (1,)), is_hidden=True)
    yield ProbeCase(
        "entropy for the actor only: the actor calls", inputs(0.3, (4,), (4,), backup_entropy=False)
    )
    yield ProbeCase(
        "called although there is no bonus",
        inputs(0.6, (2, 3), (3,), bonus=False, backup_entropy=False),
        is_hidden=True,
    )
    yield ProbeCase(
        "called although there is no bonus, but for the backup",
        inputs(0.8, (5,), (5,), bonus=False),
        is_hidden=True,
    )
    unlikely = inputs(1e-3, (2, 4), (4,))
    unlikely["log_probs"] *= 1000.0
    yield ProbeCase("a very small temperature, unlikely actions", unlikely, is_hidden=True)
    yield ProbeCase("critics and samples", inputs(0.4, (3, 2, 5), (5,)), is_hidden=True)
    yield ProbeCase("critics and samples alike", inputs(0.4, (2, 2, 3), (2, 2, 3)), is_hidden=True)


def backup_cases(random: RandomState) -> Iterator[ProbeCase]:
    """Two critics, three, one, as many as states, large and huge ones."""
    yield ProbeCase("two critics", {"q_values": normal(random, 2, 5)})
    yield ProbeCase("three critics", {"q_values": normal(random, 3, 4)})
    yield ProbeCase("one critic", {"q_values": normal(random, 1, 6)}, is_hidden=True)
    yield ProbeCase("a batch of one", {"q_values": normal(random, 4, 1)}, is_hidden=True)
    yield ProbeCase("as many as states", {"q_values": normal(random, 4, 4)}, is_hidden=True)
    far = 1000.0 * normal(random, 5, 3) - 500.0
    yield ProbeCase("large values", {"q_values": far}, is_hidden=True)
    huge = 1e8 * (7.0 + normal(random, 3, 4))
    yield ProbeCase("huge values", {"q_values": huge}, is_hidden=True)


mean_backup = probe("mean_backup", values="what each critic is trained on")(backup_cases)
min_backup = probe("min_backup", values="what each critic is trained on")(backup_cases)
double_q_backup = probe("double_q_backup", values="what each critic is trained on")(backup_cases)


@probe(
    "random_subset_min_backup",
    results="all different results of many calls (more or fewer than there are subsets: drawn with "
    "replacement, or always the same?)",
    is_even="whether every subset comes about equally often",
    are_independent="whether a subset says nothing of the next one",
)
def random_subset_min_backup(random: RandomState) -> Iterator[ProbeCase]:
    """Subsets of two, of one, of all. Each critic is the smallest somewhere."""

    def inputs(num_critics: int, batch_size: int, subset_size: int, num_draws: int = 200) -> dict:
        q_values = normal(random, num_critics, batch_size)
        q_values -= 10.0 * np.eye(num_critics, batch_size, dtype=np.float32)
        return {
            "q_values": q_values,
            "subset_size": subset_size,
            "num_draws": num_draws,
            "seed": int(random.randint(1000)),
        }

    yield ProbeCase("two of three critics", inputs(3, 4, 2))
    yield ProbeCase("all of two critics", inputs(2, 3, 2))
    yield ProbeCase("one of three critics", inputs(3, 3, 1), is_hidden=True)
    yield ProbeCase("three of four critics", inputs(4, 5, 3), is_hidden=True)
    yield ProbeCase("two of four critics", inputs(4, 4, 2), is_hidden=True)
    yield ProbeCase("the only critic", inputs(1, 4, 1), is_hidden=True)
    often = inputs(4, 4, 2, num_draws=12_000)
    yield ProbeCase("two of four critics, very often", often, is_hidden=True)


# --- the critics' loss ----------------------------------------------------------------------


@probe(
    "SoftActorCritic.bellman_targets",
    targets="y_k",
    requires_grad="whether the targets carry a gradient",
)
def bellman_targets(random: RandomState) -> Iterator[ProbeCase]:
    """Terminations; the two switches of the entropy bonus; batches and ensembles of one."""

    def inputs(
        backup: np.ndarray,
        dones: list[bool],
        bonus: bool = True,
        backup_entropy: bool = True,
        discount: float = 0.9,
    ) -> dict:
        size = len(dones)
        given = networks(random, len(backup), size, num_draws=1, temperature=0.4)
        return given | {
            "backup_matrix": backup.astype(np.float32),
            "discount": discount,
            "use_entropy_bonus": bonus,
            "backup_entropy": backup_entropy,
            "rewards": normal(random, size),
            "next_observations": normal(random, size, D),
            "dones": np.array(dones),
        }

    mean, swap = np.full((3, 3), 1 / 3), np.eye(2)[::-1].copy()
    some = [False, True, False, False, True]
    yield ProbeCase("critics averaged, some episodes end", inputs(mean, some))
    yield ProbeCase(
        "critics swapped, entropy for the actor only",
        inputs(swap, [True, False, False, False], backup_entropy=False),
    )
    yield ProbeCase("no entropy bonus at all", inputs(mean, some, bonus=False, backup_entropy=True))
    yield ProbeCase("every episode ends", inputs(swap, [True] * 3), is_hidden=True)
    yield ProbeCase("one critic, one state", inputs(np.eye(1), [False]), is_hidden=True)
    cycle = np.roll(np.eye(3), 1, axis=1)
    yield ProbeCase(
        "as many critics as states, neither bonus",
        inputs(cycle, [False, False, True], bonus=False, backup_entropy=False),
        is_hidden=True,
    )
    yield ProbeCase(
        "only the next reward counts", inputs(mean, [False] * 4, discount=0.0), is_hidden=True
    )
    uneven = positive(random, 3, 3)
    uneven /= uneven.sum(axis=1, keepdims=True)
    yield ProbeCase("critics weighed unequally", inputs(uneven, some), is_hidden=True)
    large = inputs(mean, some) | networks(random, 3, 5, 1, temperature=300.0)
    yield ProbeCase("a large temperature, and so large values", large, is_hidden=True)
    large = inputs(np.full((2, 2), 0.5), some)
    large["rewards"] *= 1000.0
    large["target_critic_weights"] *= 100.0
    yield ProbeCase("large rewards and large critics", large, is_hidden=True)
    of_images = inputs(swap, some) | networks(random, 2, 5, 1, temperature=0.4, size=6)
    yield ProbeCase("images", of_images | {"next_observations": images(random, 5)})


@probe("squared_td_loss", loss="the loss", gradient="the loss's gradient in the Q-values")
def squared_td_loss(random: RandomState) -> Iterator[ProbeCase]:
    """With and without importance weights; one critic; weights of zero."""

    def inputs(num_critics: int, batch_size: int, weights: np.ndarray | None) -> dict:
        return {
            "q_values": normal(random, num_critics, batch_size),
            "targets": 2.0 * normal(random, num_critics, batch_size),
            "weights": weights,
        }

    yield ProbeCase("two critics", inputs(2, 4, None))
    yield ProbeCase("three critics with importance weights", inputs(3, 5, positive(random, 5)))
    yield ProbeCase("one critic", inputs(1, 6, positive(random, 6)), is_hidden=True)
    yield ProbeCase("as many critics as states", inputs(4, 4, positive(random, 4)), is_hidden=True)
    sparse = np.array([0.0, 1.0, 0.0, 0.5], np.float32)
    yield ProbeCase("some weights are zero", inputs(2, 4, sparse), is_hidden=True)
    large = inputs(2, 3, positive(random, 3))
    large["targets"] *= 50.0
    yield ProbeCase("large errors", large, is_hidden=True)
    huge = inputs(2, 3, positive(random, 3))
    huge["targets"] *= 1e4
    yield ProbeCase("huge errors", huge, is_hidden=True)


@probe(
    "SoftActorCritic.critic_loss",
    loss="the loss",
    gradient="the loss's gradient in the critics' weights",
    reported_loss="the metric critic/loss",
    mean_q_value="the metric critic/q_values",
    mean_target="the metric critic/target_values",
    td_errors="the metric td_errors",
)
def critic_loss(random: RandomState) -> Iterator[ProbeCase]:
    """Several critics, one; importance weights; as many critics as states."""

    def inputs(num_critics: int, batch_size: int, weighted: bool) -> dict:
        return {
            "critic_weights": normal(random, num_critics, D + A),
            "target_critic_weights": normal(random, num_critics, D + A),
            "loss_coefficients": [1.0 / batch_size, -2.0 / batch_size, 1.0 / batch_size],
            "observations": normal(random, batch_size, D),
            "actions": normal(random, batch_size, A),
            "targets": normal(random, num_critics, batch_size),
            "weights": positive(random, batch_size) if weighted else None,
        }

    yield ProbeCase("two critics", inputs(2, 4, weighted=False))
    yield ProbeCase("three critics with importance weights", inputs(3, 5, weighted=True))
    yield ProbeCase("one critic", inputs(1, 6, weighted=True), is_hidden=True)
    yield ProbeCase("as many critics as states", inputs(4, 4, weighted=True), is_hidden=True)
    yield ProbeCase("a batch of one", inputs(2, 1, weighted=False), is_hidden=True)
    large = inputs(3, 4, weighted=True)
    large["targets"] *= 50.0
    yield ProbeCase("large errors", large, is_hidden=True)
    of_images = inputs(2, 5, weighted=True) | {"observations": images(random, 5)}
    for name in ("critic_weights", "target_critic_weights"):
        of_images[name] = normal(random, 2, 6 + A)
    yield ProbeCase("images", of_images)


# --- the actor's loss, temperature ----------------------------------------------------------


def actor_inputs(
    random: RandomState,
    num_critics: int,
    batch_size: int,
    num_samples: int = 1,
    is_pessimistic: bool = False,
    bonus: bool = True,
    temperature: float = 0.5,
    backup_entropy: bool = True,
    are_images: bool = False,
) -> dict:
    """Inputs of either actor loss."""
    size = 6 if are_images else D
    given = networks(random, num_critics, batch_size, num_samples, temperature, size)
    return given | {
        "observations": images(random, batch_size) if are_images else normal(random, batch_size, D),
        "num_actor_samples": num_samples,
        "is_pessimistic": is_pessimistic,
        "use_entropy_bonus": bonus,
        "backup_entropy": backup_entropy,
    }


@probe(
    "SoftActorCritic.actor_loss_reinforce",
    loss="the loss",
    gradient="the loss's gradient in the actor's weights",
    gradient_in_log_temperature="the loss's gradient in log alpha",
    critics_need_gradient="whether the critics' weights still require a gradient afterwards",
    gradient_in_critics="the loss's gradient in the critics' weights",
    reported_loss="the metric actor/loss",
    reported_entropy="the metric actor/entropy",
    reported_std="the metric actor/std",
)
def actor_loss_reinforce(random: RandomState) -> Iterator[ProbeCase]:
    """Several samples and one, with and without the bonus, the critics' mean and minimum."""
    yield ProbeCase("three samples, mean of two critics", actor_inputs(random, 2, 4, 3))
    yield ProbeCase("one sample, one critic", actor_inputs(random, 1, 5, 1))
    yield ProbeCase(
        "two samples, smallest of three critics, no entropy bonus",
        actor_inputs(random, 3, 5, 2, is_pessimistic=True, bonus=False),
    )
    yield ProbeCase(
        "five samples, smallest of two critics",
        actor_inputs(random, 2, 3, 5, is_pessimistic=True),
        is_hidden=True,
    )
    yield ProbeCase("as many samples as states", actor_inputs(random, 3, 4, 4), is_hidden=True)
    yield ProbeCase("one state", actor_inputs(random, 2, 1, 4, temperature=2.0), is_hidden=True)
    yield ProbeCase(
        "one sample, smallest of two critics",
        actor_inputs(random, 2, 4, 1, is_pessimistic=True),
        is_hidden=True,
    )
    yield ProbeCase("eight samples", actor_inputs(random, 2, 3, 8), is_hidden=True)
    large = actor_inputs(random, 2, 4, 3)
    large["critic_weights"] *= 30.0
    large["noise"] *= 10.0
    yield ProbeCase("large critics, unlikely actions", large, is_hidden=True)
    yield ProbeCase("images", actor_inputs(random, 2, 4, 3, are_images=True))
    yield ProbeCase(
        "entropy for the actor only",
        actor_inputs(random, 2, 4, 2, backup_entropy=False),
        is_hidden=True,
    )


@probe(
    "SoftActorCritic.actor_loss_reparametrize",
    loss="the loss",
    gradient="the loss's gradient in the actor's weights",
    gradient_in_log_temperature="the loss's gradient in log alpha",
    critics_need_gradient="whether the critics' weights still require a gradient afterwards",
    reported_loss="the metric actor/loss",
    reported_entropy="the metric actor/entropy",
    reported_std="the metric actor/std",
)
def actor_loss_reparametrize(random: RandomState) -> Iterator[ProbeCase]:
    """With and without the bonus, the critics' mean and minimum, one state."""
    yield ProbeCase("mean of two critics", actor_inputs(random, 2, 4))
    yield ProbeCase("smallest of three critics", actor_inputs(random, 3, 5, is_pessimistic=True))
    yield ProbeCase("no entropy bonus", actor_inputs(random, 2, 5, bonus=False))
    yield ProbeCase(
        "one critic, one state", actor_inputs(random, 1, 1, temperature=2.0), is_hidden=True
    )
    yield ProbeCase(
        "as many critics as states",
        actor_inputs(random, 4, 4, is_pessimistic=True, bonus=False),
        is_hidden=True,
    )
    yield ProbeCase("images", actor_inputs(random, 2, 4, are_images=True))
    yield ProbeCase(
        "entropy for the actor only",
        actor_inputs(random, 2, 4, backup_entropy=False),
        is_hidden=True,
    )
    large = actor_inputs(random, 2, 4)
    large["critic_weights"] *= 30.0
    large["noise"] *= 10.0
    yield ProbeCase("large critics, unlikely actions", large, is_hidden=True)
    samples = actor_inputs(random, 2, 4) | {"num_actor_samples": 3}
    yield ProbeCase("a number of samples, which is not for this loss", samples, is_hidden=True)


@probe(
    "SoftActorCritic.temperature_loss",
    loss="the loss",
    gradient_in_log_temperature="the loss's gradient in log alpha",
    gradient_in_entropy="the loss's gradient in the entropy",
    reported_loss="the metric temperature/loss",
)
def temperature_loss(random: RandomState) -> Iterator[ProbeCase]:
    """Entropy below, above and at its target; very small and large temperatures."""

    def inputs(temperature: float, entropy: float, target: float) -> dict:
        return {
            "log_temperature": scalar(math.log(temperature)),
            "entropy": scalar(entropy),
            "target_entropy": target,
        }

    low, high = -4.0 - random.rand(), 1.0 + random.rand()
    yield ProbeCase("entropy below its target", inputs(0.2, low, -2.0))
    yield ProbeCase("entropy above its target", inputs(0.5, high, -1.0))
    yield ProbeCase("entropy at its target", inputs(0.3, -3.0, -3.0), is_hidden=True)
    yield ProbeCase("a positive target, a large temperature", inputs(5.0, low, 0.5), is_hidden=True)
    yield ProbeCase("a very small temperature", inputs(1e-4, 900.0, -20.0), is_hidden=True)
    yield ProbeCase("a very large temperature", inputs(1e4, high, -1.0), is_hidden=True)


# --- target critics -------------------------------------------------------------------------


def target_inputs(random: RandomState) -> dict:
    """Weights of critics and of target critics."""
    return {
        "matrix": normal(random, 2, 3),
        "vector": normal(random, 4),
        "target_matrix": normal(random, 2, 3),
        "target_vector": normal(random, 4),
    }


STATES = {
    "targets": "the target critics' weights",
    "targets_once_the_critics_have_moved": "the target critics' weights, critics changed since",
    "targets_after_a_second_call": "the target critics' weights after a second call",
    "their_memory": "what is then in the memory in which the target critics' weights were at first",
    "critics": "the critics' weights",
    "targets_need_gradient": "whether the target critics' weights require a gradient",
    "critics_need_gradient": "whether the critics' weights still require a gradient",
    "list_is_theirs": "whether `target_critic_parameters` are the target critics' own weights",
}


@probe("SoftActorCritic.update_target_critic", rtol=1e-6, atol=1e-7, **STATES)
def update_target_critic(random: RandomState) -> Iterator[ProbeCase]:
    """A copy that stays when the critics move on."""
    yield ProbeCase("two updates", target_inputs(random))
    yield ProbeCase("two updates of other weights", target_inputs(random))
    yield ProbeCase("once more", target_inputs(random), is_hidden=True)
    large = {name: 1e4 * value for name, value in target_inputs(random).items()}
    yield ProbeCase("large weights", large, is_hidden=True)


@probe("SoftActorCritic.soft_update_target_critic", rtol=1e-6, atol=1e-7, **STATES)
def soft_update_target_critic(random: RandomState) -> Iterator[ProbeCase]:
    """A rate between 0 and 1, and each of them; target critics that have almost arrived."""
    yield ProbeCase("a quarter of the way", target_inputs(random) | {"rate": 0.25})
    yield ProbeCase("a small rate", target_inputs(random) | {"rate": 0.005})
    yield ProbeCase("rate 1 copies", target_inputs(random) | {"rate": 1.0}, is_hidden=True)
    yield ProbeCase("rate 0 changes nothing", target_inputs(random) | {"rate": 0.0}, is_hidden=True)
    near = target_inputs(random) | {"rate": 0.1}
    for name in ("matrix", "vector"):
        near[f"target_{name}"] = near[name] + 1e-4 * near[f"target_{name}"]
    yield ProbeCase("almost there", near, is_hidden=True)
