"""Cases of hw4_sac: public ones, which the hand-out's tests hold, and hidden ones."""

from collections.abc import Iterator

import numpy as np
from numpy.random import RandomState

from course.probe import ProbeCase, probe


def normal(random: RandomState, *shape: int) -> np.ndarray:
    """Standard normal numbers as float32."""
    return random.standard_normal(shape).astype(np.float32)


@probe(
    "SoftActorCritic.critic_loss",
    loss="the loss",
    gradient="the loss's gradient in the critics' weights",
    td_errors="the metric td_errors",
)
def critic_loss(random: RandomState) -> Iterator[ProbeCase]:
    """Several critics (sum, not mean), importance weights, one critic."""

    def inputs(num_critics: int, batch_size: int, weighted: bool) -> dict:
        return {
            "critic_weights": normal(random, num_critics, 5),
            "observations": normal(random, batch_size, 3),
            "actions": normal(random, batch_size, 2),
            "targets": normal(random, num_critics, batch_size),
            "weights": random.rand(batch_size).astype(np.float32) if weighted else None,
        }

    yield ProbeCase("two critics", inputs(2, 4, weighted=False))
    yield ProbeCase("three critics with importance weights", inputs(3, 5, weighted=True))
    yield ProbeCase("one critic", inputs(1, 6, weighted=True), is_hidden=True)
    yield ProbeCase("as many critics as samples", inputs(4, 4, weighted=True), is_hidden=True)
