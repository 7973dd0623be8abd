"""Ten million steps through a replay buffer: what is sampled stays true, and memory flat."""

from pathlib import Path

import numpy as np
import pytest

from hw.infrastructure.prioritized_replay import PrioritizedReplayBuffer
from hw.infrastructure.replay_buffer import ReplayBuffer

pytestmark = pytest.mark.slow
NUM_LANES, NUM_STEPS, CAPACITY = 10, 10_000_000, 100_000
PERIOD = 10  # vector steps between samples
EPISODE = 97  # steps
WARM_UP = 1_000_000
ROOM = 4_000_000  # bytes


def resident_bytes():
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * 4096


def vectors(number):
    """Observations that say which step and lane they are of."""
    return np.stack([np.full(NUM_LANES, float(number)), np.arange(NUM_LANES)], axis=1)


def images(number):
    """Two frames of one pixel row, each saying when it was seen."""
    frames = np.array([max(number - 1, 0), number]) % 251
    return np.broadcast_to(frames[:, None, None], (NUM_LANES, 2, 1, 4)).astype(np.uint8)


BUFFERS = {
    "vectors": (vectors, lambda: ReplayBuffer(CAPACITY)),
    "vectors, three steps": (vectors, lambda: ReplayBuffer(CAPACITY, n_step=3)),
    "prioritised vectors": (
        vectors,
        lambda: PrioritizedReplayBuffer(CAPACITY, priority_exponent=0.6, priority_epsilon=1e-6),
    ),
    "images": (images, lambda: ReplayBuffer(CAPACITY, num_stacked_frames=2)),
}


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's /proc")
@pytest.mark.parametrize("name", BUFFERS)
def test_ten_million_steps_leave_memory_flat_and_samples_true(name):
    observe, make_buffer = BUFFERS[name]
    buffer = make_buffer()
    is_prioritised = isinstance(buffer, PrioritizedReplayBuffer)
    generator = np.random.default_rng(0)
    actions, nothing = np.zeros((NUM_LANES, 1)), np.zeros(NUM_LANES, np.bool_)
    sizes = []
    observations = observe(0)
    for number in range(NUM_STEPS // NUM_LANES):
        # Images run on without an end, so that a stack never crosses one.
        ends = np.full(NUM_LANES, observe is vectors and number % EPISODE == EPISODE - 1)
        next_observations = observe(number + 1)
        rewards = np.full(NUM_LANES, float(number % 1000))
        buffer.insert(observations, actions, rewards, next_observations, ends, nothing)
        observations = next_observations
        if number % PERIOD == PERIOD - 1:
            batch = buffer.sample(64, 0.5) if is_prioritised else buffer.sample(64)
            check(batch, buffer.n_step, observe)
            if is_prioritised:
                buffer.update_priorities(generator.exponential(size=64))
        if number * NUM_LANES >= WARM_UP and number % 10_000 == 0:
            sizes.append(resident_bytes())
    assert len(buffer) >= CAPACITY - 2 * NUM_LANES
    assert max(sizes) - sizes[0] < ROOM


def check(batch, n_step, observe):
    """The next state is `n_step` after the state, or that in which its episode ended."""
    if observe is images:
        now, later = batch["observations"], batch["next_observations"]
        np.testing.assert_array_equal(now[:, 1], later[:, 0])
        assert ((later[:, 1].astype(int) - later[:, 0]) % 251 == 1).all()
        return
    numbers, lanes = batch["observations"].T
    most = np.minimum(n_step, EPISODE - numbers % EPISODE)
    steps = most if n_step == 1 else batch["num_steps"]  # fewer of the newest
    assert (steps <= most).all()
    np.testing.assert_array_equal(batch["next_observations"], np.stack([numbers + steps, lanes], 1))
    np.testing.assert_array_equal(batch["dones"], (numbers + steps) % EPISODE == 0)
    if n_step == 1:
        np.testing.assert_array_equal(batch["rewards"], numbers % 1000)
