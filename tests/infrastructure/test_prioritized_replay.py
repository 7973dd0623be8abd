"""Prioritised replay against a plain list of transitions with their priorities.

As in test_replay_buffer.py, every transition's reward is its number, counted from 0.
"""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.infrastructure.checkpoint import load_state, save_state
from hw.infrastructure.errors import UserError
from hw.infrastructure.prioritized_replay import PrioritizedReplayBuffer
from hw.infrastructure.replay_buffer import ReplayBuffer


def make_buffer(
    capacity, seed=0, num_stacked_frames=1, n_step=1, priority_exponent=1.0, priority_epsilon=0.25
):
    return PrioritizedReplayBuffer(
        capacity,
        seed,
        num_stacked_frames,
        n_step,
        priority_exponent=priority_exponent,
        priority_epsilon=priority_epsilon,
    )


def insert(buffer, numbers, done=False):
    """Transitions with these numbers, one a lane."""
    rewards = np.array(numbers, np.float64)
    labels = rewards[:, None]
    dones = np.full(len(rewards), done)
    buffer.insert(labels, -labels, rewards, labels + 1, dones)


def filled_buffer(priorities, **settings):
    """Transitions 0 .. len - 1 with these priorities, in a buffer that they fill."""
    buffer = make_buffer(len(priorities), **settings)
    insert(buffer, range(len(priorities)))
    set_priorities(buffer, dict(enumerate(priorities)))
    return buffer


def set_priorities(buffer, priorities):
    """Let the buffer have sampled these transitions, and report errors that give the priorities."""
    buffer.sample(1, 0.0)
    buffer.sampled_numbers = np.array(list(priorities), np.int64)
    errors = np.array(list(priorities.values())) ** (1 / buffer.priority_exponent)
    buffer.update_priorities(errors - buffer.priority_epsilon)


def leaves(buffer):
    """Priority of each slot, with what was inserted since the last sample."""
    return np.array(buffer.state_dict()["priorities"])


# Sampling


@pytest.mark.parametrize("seed", range(3))
def test_transitions_are_drawn_in_proportion_to_their_priorities(seed):
    """Many small batches, so that it is not stratification alone that brings the counts."""
    priorities = np.array([1.0, 0.25, 4.0, 2.0, 0.5, 0.25, 7.0])
    buffer = filled_buffer(priorities, seed=seed)
    draws = np.concatenate([buffer.sample(3, 0.0)["rewards"] for _ in range(4000)])
    counts = np.bincount(draws.astype(int), minlength=7)
    expected = len(draws) * priorities / priorities.sum()
    assert ((counts - expected) ** 2 / expected).sum() < 22.46  # 99.9%, 6 degrees of freedom


def test_each_segment_of_the_total_is_drawn_from_once():
    """Of 8 transitions alike, a batch of 8 holds each once, and one of 16 each twice."""
    buffer = filled_buffer([0.5] * 8)
    for batch_size in (8, 16):
        numbers = buffer.sample(batch_size, 0.0)["rewards"].astype(int)
        np.testing.assert_array_equal(np.bincount(numbers), np.full(8, batch_size // 8))


def test_positions_fill_their_segments_uniformly():
    buffer = filled_buffer([1.0, 2.0, 3.0, 4.0])
    positions = np.stack([buffer.stratified_positions(5) for _ in range(4000)])
    fractions = positions / 2.0 - np.arange(5)  # a total of 10, segments of 2
    assert fractions.min() >= 0.0
    assert fractions.max() < 1.0
    np.testing.assert_allclose(fractions.mean(axis=0), 0.5, atol=0.02)
    np.testing.assert_allclose(fractions.var(axis=0), 1 / 12, atol=0.005)
    assert np.abs(np.corrcoef(fractions.T) - np.eye(5)).max() < 0.07


def test_new_transitions_get_the_largest_priority_so_far():
    buffer = make_buffer(6)
    insert(buffer, [0, 1])
    np.testing.assert_array_equal(leaves(buffer), [1.0, 1.0])
    set_priorities(buffer, {0: 8.0, 1: 0.5})
    insert(buffer, [2])
    set_priorities(buffer, {0: 0.25})
    insert(buffer, [3])
    np.testing.assert_array_equal(leaves(buffer), [0.25, 0.5, 8.0, 8.0])


def test_what_was_inserted_before_an_update_has_the_largest_priority_of_then():
    buffer = make_buffer(6)
    insert(buffer, [0])
    buffer.sample(1, 0.0)
    insert(buffer, [1])
    buffer.update_priorities(np.array([5.75]))
    insert(buffer, [2])
    np.testing.assert_array_equal(leaves(buffer), [6.0, 1.0, 6.0])


def test_a_batch_may_be_larger_than_the_buffer():
    buffer = make_buffer(1000)
    insert(buffer, [0, 1, 2])
    batch = buffer.sample(60, 0.4)
    assert set(batch["rewards"]) == {0, 1, 2}
    assert batch["weights"].shape == (60,)
    buffer.update_priorities(np.ones(60))
    assert set(buffer.sample(60, 0.4)["rewards"]) == {0, 1, 2}


def test_the_batch_is_that_of_uniform_replay_and_weights():
    uniform, prioritized = ReplayBuffer(5), make_buffer(5)
    for buffer in (uniform, prioritized):
        insert(buffer, [0, 1, 2], done=True)
    batch, other = prioritized.sample(4, 0.5), uniform.sample(4)
    assert batch.keys() == other.keys() | {"weights"}
    for name, values in other.items():
        assert (batch[name].shape, batch[name].dtype) == (values.shape, values.dtype)
    for offset, name in ((0, "observations"), (1, "next_observations")):
        np.testing.assert_array_equal(batch[name][:, 0], batch["rewards"] + offset)
    np.testing.assert_array_equal(batch["actions"][:, 0], -batch["rewards"])


# Priorities and weights


def test_priorities_by_hand():
    buffer = make_buffer(4, priority_exponent=0.5, priority_epsilon=0.25)
    errors = np.array([2.0, -3.75, 0.0], np.float32)
    before = errors.copy()
    np.testing.assert_allclose(buffer.priorities(errors), [1.5, 2.0, 0.5], rtol=1e-12)
    np.testing.assert_array_equal(errors, before)


def test_an_exponent_of_zero_is_uniform():
    buffer = filled_buffer([1.0] * 4, priority_exponent=1.0)
    uniform = make_buffer(4, priority_exponent=0.0)
    insert(uniform, range(4))
    uniform.sample(4, 0.0)
    uniform.update_priorities(np.array([100.0, 0.0, 3.0, -8.0]))
    np.testing.assert_array_equal(leaves(uniform), leaves(buffer))


def test_weights_by_hand():
    buffer = make_buffer(4)
    insert(buffer, range(4))
    probabilities = np.array([0.5, 0.25, 0.125])  # times N = 4: 2, 1, 1/2
    for exponent, expected in (
        (0.0, [1.0, 1.0, 1.0]),
        (0.5, [0.5, 0.5**0.5, 1.0]),
        (1.0, [0.25, 0.5, 1.0]),
    ):
        weights = buffer.importance_weights(probabilities, exponent)
        assert weights.dtype == np.float32
        np.testing.assert_allclose(weights, expected, rtol=1e-6)


def test_weights_belong_to_the_transitions_of_the_batch():
    priorities = np.array([1.0, 2.0, 4.0, 0.5])
    buffer = filled_buffer(priorities)
    for exponent in (0.0, 0.6, 1.0):
        batch = buffer.sample(50, exponent)
        drawn = priorities[batch["rewards"].astype(int)]
        expected = (drawn.min() / drawn) ** exponent
        np.testing.assert_allclose(batch["weights"], expected, rtol=1e-6)
        assert batch["weights"].max() == 1.0


def test_full_weights_undo_the_priorities():
    """The weighted mean over what was drawn is the plain mean over what is held."""
    random = np.random.default_rng(0)
    buffer = filled_buffer(random.uniform(0.3, 9.0, size=50))
    quantity = random.normal(size=50)
    batch = buffer.sample(200_000, 1.0)
    drawn = quantity[batch["rewards"].astype(int)]
    weighted = np.average(drawn, weights=batch["weights"])
    assert abs(weighted - quantity.mean()) < 1e-3
    assert abs(drawn.mean() - quantity.mean()) > 0.02


def test_the_last_of_several_errors_counts():
    buffer = make_buffer(3)
    insert(buffer, range(3))
    set_priorities(buffer, {0: 1.0})
    buffer.sampled_numbers = np.array([1, 0, 1, 1])
    buffer.update_priorities(np.array([8.0, 1.75, 9.0, 2.75]))
    np.testing.assert_array_equal(leaves(buffer), [2.0, 3.0, 1.0])


def test_what_was_overwritten_since_is_left_alone():
    buffer = make_buffer(4)
    insert(buffer, range(4))
    batch = buffer.sample(4, 0.0)
    np.testing.assert_array_equal(batch["rewards"], range(4))  # one of each segment
    insert(buffer, [4, 5])
    buffer.update_priorities(np.array([70.0, 80.0, 1.75, -2.75]))
    np.testing.assert_array_equal(leaves(buffer), [1.0, 1.0, 2.0, 3.0])
    insert(buffer, [6])
    np.testing.assert_array_equal(leaves(buffer), [1.0, 1.0, 3.0, 3.0])


# Against a list


def image(label):
    return np.full((2, 2), label % 251, np.uint8)


@settings(max_examples=150, deadline=None)
@given(
    capacity=st.integers(1, 12),
    num_lanes=st.integers(1, 4),
    n_step=st.integers(1, 3),
    is_image=st.booleans(),
    actions=st.lists(st.sampled_from(["insert", "insert", "update", "restore"]), max_size=40),
    seed=st.integers(0, 2**32),
)
def test_priorities_are_those_of_a_list(capacity, num_lanes, n_step, is_image, actions, seed):
    """Wrap-around, lanes, episodes, frames that are gone, updates that come late, restoring."""
    random = np.random.default_rng(seed)
    buffer = make_buffer(capacity, 0, 1, n_step)
    expected, largest, num_inserted, sampled = {}, 1.0, 0, None
    begins = [True] * num_lanes
    for action in ["insert", *actions]:
        if action == "insert":
            numbers = num_inserted + np.arange(num_lanes)
            ends = random.random(num_lanes) < 0.4
            firsts = np.where(begins, 7, 0) + numbers
            observations = np.stack([image(i) if is_image else np.array([i]) for i in firsts])
            following = np.stack(
                [image(i + num_lanes) if is_image else np.array([i]) for i in numbers]
            )
            buffer.insert(observations, numbers, numbers * 1.0, following, ends, ~ends & False)
            begins = ends
            expected |= dict.fromkeys(numbers.tolist(), largest)
            num_inserted += num_lanes
        elif action == "update" and sampled is not None:
            errors = random.integers(1, 9, size=len(sampled)).astype(float)
            held = range(num_inserted - len(buffer), num_inserted)
            buffer.update_priorities(errors)
            for number, error in zip(sampled, errors, strict=True):
                if number in held:
                    expected[number] = error + 0.25
                    largest = max(largest, error + 0.25)
        elif action == "restore":
            restored = make_buffer(capacity, 9, 1, n_step)
            restored.load_state_dict(copy.deepcopy(buffer.state_dict()))
            buffer = restored
        held = range(num_inserted - len(buffer), num_inserted)
        if random.random() < 0.5:
            batch = buffer.sample(5, 1.0)
            sampled = batch["actions"].tolist()
            drawn = np.array([expected[number] for number in sampled])
            assert set(sampled) <= set(held)
            np.testing.assert_allclose(batch["weights"], drawn.min() / drawn, rtol=1e-6)
            by_slot = np.zeros(buffer.tree.num_leaves)
            for number in held:
                by_slot[number % capacity] = expected[number]
            np.testing.assert_array_equal(buffer.tree.leaves, by_slot)
            assert ("num_steps" in batch) == (n_step > 1)


def test_transitions_whose_frames_are_gone_are_not_drawn():
    """Every episode takes a frame for its start, so the ring forgets before the slots do."""
    buffer = make_buffer(10)
    for number in range(43):
        buffer.insert(image(2 * number), 0, float(number), image(2 * number + 1), True)
        if number % 3 == 0:
            batch = buffer.sample(8 * len(buffer), 0.5)
            assert set(batch["rewards"]) == set(range(number + 1 - len(buffer), number + 1))
            np.testing.assert_array_equal(
                batch["observations"][:, 0, 0], 2 * batch["rewards"].astype(int) % 251
            )
    assert len(buffer) < 10
    assert (leaves(buffer) > 0).sum() == len(buffer)


# State


def assert_same_batches(buffer, other):
    for _ in range(3):
        batch, other_batch = buffer.sample(8, 0.5), other.sample(8, 0.5)
        assert batch.keys() == other_batch.keys()
        for name, values in batch.items():
            np.testing.assert_array_equal(values, other_batch[name])
        errors = batch["rewards"].reshape(8, -1)[:, 0] % 7 - 3.0
        buffer.update_priorities(errors)
        other.update_priorities(errors)


@pytest.mark.parametrize("after_sampling", [False, True])
@pytest.mark.parametrize("is_image", [False, True])
def test_a_buffer_written_to_disk_goes_on_to_the_same_bits(tmp_path, is_image, after_sampling):
    def play(buffer, numbers):
        for number in numbers:
            if is_image:
                buffer.insert(image(number), 0, float(number), image(number + 1), number % 4 == 0)
            else:
                insert(buffer, [number])

    buffer, restored = make_buffer(20, 3, n_step=2), make_buffer(20, 4, n_step=2)
    play(restored, range(7))  # what it held before must not shine through
    restored.sample(4, 0.0)
    play(buffer, range(33))
    assert_same_batches(buffer, copy.deepcopy(buffer))
    play(buffer, range(33, 36))
    if after_sampling:
        rewards = buffer.sample(16, 0.0)["rewards"][:, 0]
    save_state(tmp_path / "buffer.npz", buffer.state_dict())
    restored.load_state_dict(load_state(tmp_path / "buffer.npz"))
    for one in (buffer, restored):
        if after_sampling:
            one.update_priorities(rewards)
        play(one, range(36, 40))
    assert_same_batches(buffer, restored)
    np.testing.assert_array_equal(buffer.tree.sums, restored.tree.sums)
    assert buffer.max_priority == restored.max_priority


def test_restoring_an_empty_buffer_empties():
    buffer = filled_buffer([3.0, 4.0])
    buffer.load_state_dict(make_buffer(2).state_dict())
    assert len(buffer) == 0
    with pytest.raises(UserError, match="empty"):
        buffer.sample(1, 0.0)
    insert(buffer, [0])
    np.testing.assert_array_equal(leaves(buffer), [1.0])


def test_the_other_kind_of_buffer_is_refused():
    uniform, prioritized = ReplayBuffer(3), make_buffer(3)
    insert(uniform, [0])
    insert(prioritized, [0])
    with pytest.raises(UserError, match="is uniform, this one prioritized"):
        prioritized.load_state_dict(uniform.state_dict())
    with pytest.raises(UserError, match="is prioritized, this one uniform"):
        uniform.load_state_dict(prioritized.state_dict())


def test_another_priority_exponent_is_refused():
    with pytest.raises(UserError, match=r"priority_exponent 0.5, this one 1.0"):
        make_buffer(3).load_state_dict(make_buffer(3, priority_exponent=0.5).state_dict())


def test_a_copy_is_a_buffer_of_its_own():
    buffer = filled_buffer([3.0, 4.0, 1.0])
    other = copy.deepcopy(buffer)
    insert(other, [7])
    set_priorities(other, {2: 5.0})
    np.testing.assert_array_equal(leaves(buffer), [3.0, 4.0, 1.0])
    np.testing.assert_array_equal(leaves(other), [4.0, 4.0, 5.0])
    assert set(buffer.sample(60, 0.0)["rewards"]) == {0, 1, 2}
    assert set(other.sample(60, 0.0)["rewards"]) == {1, 2, 7}


# Mistakes


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_error_that_is_not_finite_is_refused_and_changes_nothing(value):
    buffer = make_buffer(4)
    insert(buffer, range(6))
    buffer.sample(4, 0.0)
    buffer.sampled_numbers = np.array([2, 5, 3, 4])
    before = leaves(buffer)
    with pytest.raises(ValueError, match=r"td_errors\[1\].*slot 1, is"):
        buffer.update_priorities(np.array([1.0, value, 2.0, value]))
    np.testing.assert_array_equal(leaves(buffer), before)
    assert buffer.max_priority == 1.0


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_priority_that_overflows_is_refused():
    buffer = filled_buffer([1.0], priority_exponent=2.0)
    with pytest.raises(ValueError, match="priority would be inf"):
        buffer.update_priorities(np.array([1e200]))


@pytest.mark.parametrize("errors", [np.ones(3), np.ones((4, 1)), np.float64(1.0)])
def test_there_is_an_error_for_each_transition(errors):
    buffer = filled_buffer([1.0] * 4)
    buffer.sample(4, 0.0)
    with pytest.raises(ValueError, match="last sample has 4"):
        buffer.update_priorities(errors)


def test_priorities_are_updated_after_sampling():
    with pytest.raises(ValueError, match="last sample has no transitions"):
        make_buffer(3).update_priorities(np.ones(1))


@pytest.mark.parametrize(
    ("exponent", "epsilon"), [(-0.1, 1.0), (1.0, 0.0), (1.0, -1.0), (2.0, 1e-200)]
)
def test_settings_that_would_lose_transitions_are_refused(exponent, epsilon):
    with pytest.raises(ValueError, match="priority_"):
        make_buffer(3, priority_exponent=exponent, priority_epsilon=epsilon)


def test_an_empty_buffer_cannot_be_sampled():
    with pytest.raises(UserError, match="empty"):
        make_buffer(3).sample(1, 0.0)
