"""The rollout buffer against a plain list of the vector steps that were inserted."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.infrastructure.checkpoint import load_state, save_state
from hw.infrastructure.errors import UserError
from hw.infrastructure.rollout_buffer import RolloutBuffer


def vector_step(number, num_lanes=3):
    """Arguments of `insert`, recognisable from the number and the lane."""
    labels = 100.0 * number + np.arange(num_lanes)
    return {
        "observations": np.stack([labels, -labels], axis=1),
        "actions": labels.astype(np.int64),
        "rewards": labels / 2,
        "next_observations": np.stack([labels + 0.5, -labels], axis=1),
        "dones": labels % 3 == 0,
        "truncateds": labels % 5 == 0,
    }


def assert_same(arrays, others):
    assert arrays.keys() == others.keys()
    for name, array in arrays.items():
        assert array.dtype == others[name].dtype
        np.testing.assert_array_equal(array, others[name])


def assert_rollout_of(rollout, steps):
    """Exactly these vector steps, in their order, float64 as float32."""
    assert list(rollout) == list(steps[0])
    for name, array in rollout.items():
        expected = np.stack([step[name] for step in steps])
        if expected.dtype == np.float64:
            expected = expected.astype(np.float32)
        assert array.dtype == expected.dtype
        np.testing.assert_array_equal(array, expected)


@settings(max_examples=50, deadline=None)
@given(
    num_steps=st.integers(1, 7),
    num_lanes=st.integers(1, 4),
    num_rollouts=st.integers(1, 3),
)
def test_rollouts_are_what_was_inserted(num_steps, num_lanes, num_rollouts):
    buffer = RolloutBuffer(num_steps)
    for rollout in range(num_rollouts):
        steps = [vector_step(rollout * num_steps + t, num_lanes) for t in range(num_steps)]
        for t, step in enumerate(steps):
            assert len(buffer) == t
            assert not buffer.is_full
            buffer.insert(**step)
        assert buffer.is_full
        assert len(buffer) == num_steps
        assert_rollout_of(buffer.take(), steps)
    assert len(buffer) == 0
    assert not buffer.is_full


def test_images_stay_bytes():
    buffer = RolloutBuffer(2)
    images = np.arange(2 * 12, dtype=np.uint8).reshape(2, 3, 2, 2)
    for t in range(2):
        step = vector_step(t, 2) | {"observations": images + t, "next_observations": images - t}
        buffer.insert(**step)
    rollout = buffer.take()
    assert rollout["observations"].dtype == rollout["next_observations"].dtype == np.uint8
    np.testing.assert_array_equal(rollout["observations"], np.stack([images, images + 1]))
    np.testing.assert_array_equal(rollout["next_observations"], np.stack([images, images - 1]))


def test_rewards_and_ends_may_be_of_any_number_type():
    buffer = RolloutBuffer(1)
    ends = np.array([0.0, 1.0])
    integers = {"rewards": np.array([3, 4]), "dones": ends, "truncateds": 1 - ends}
    buffer.insert(**(vector_step(0, 2) | integers))
    rollout = buffer.take()
    assert rollout["rewards"].dtype == np.float32
    assert rollout["rewards"].tolist() == [[3.0, 4.0]]
    assert rollout["dones"].dtype == rollout["truncateds"].dtype == np.bool_
    assert rollout["dones"].tolist() == [[False, True]]
    assert rollout["truncateds"].tolist() == [[True, False]]


def test_what_is_inserted_is_copied():
    buffer, step = RolloutBuffer(3), vector_step(0)
    steps = []
    for t in range(3):
        for name, array in step.items():
            array[...] = vector_step(t)[name]
        buffer.insert(**step)
        steps.append(vector_step(t))
    assert_rollout_of(buffer.take(), steps)


def test_a_rollout_lasts_until_the_next_insert_and_memory_is_allocated_once():
    buffer = RolloutBuffer(1)
    buffer.insert(**vector_step(0))
    first = buffer.take()
    assert_rollout_of(first, [vector_step(0)])
    buffer.insert(**vector_step(1))
    assert all(np.shares_memory(first[name], array) for name, array in buffer.take().items())
    assert_rollout_of(first, [vector_step(1)])


@settings(max_examples=40, deadline=None)
@given(num_steps=st.integers(1, 6), before=st.integers(0, 20), used_before=st.integers(0, 9))
def test_a_restored_buffer_goes_on_like_the_original(
    tmp_path_factory, num_steps, before, used_before
):
    path = tmp_path_factory.mktemp("states") / "buffer.npz"

    def play(buffer, numbers):
        rollouts = []
        for number in numbers:
            buffer.insert(**vector_step(number))
            if buffer.is_full:
                rollouts.append(copy.deepcopy(buffer.take()))
        return rollouts

    buffer, restored = RolloutBuffer(num_steps), RolloutBuffer(num_steps)
    play(restored, range(500, 500 + used_before))
    play(buffer, range(before))
    save_state(path, buffer.state_dict())
    restored.load_state_dict(load_state(path))
    assert len(restored) == len(buffer) == before % num_steps
    going_on = range(before, before + 2 * num_steps)
    rollouts = play(buffer, going_on)
    assert len(rollouts) == 2
    for rollout, other in zip(rollouts, play(restored, going_on), strict=True):
        assert_same(rollout, other)


def test_a_state_that_was_loaded_is_a_copy():
    buffer, restored = RolloutBuffer(2), RolloutBuffer(2)
    buffer.insert(**vector_step(0))
    restored.load_state_dict(buffer.state_dict())
    for _ in range(2):
        for step in (vector_step(7), vector_step(8)):
            if not buffer.is_full:
                buffer.insert(**step)
        buffer.take()
    restored.insert(**vector_step(1))
    assert_rollout_of(restored.take(), [vector_step(0), vector_step(1)])


def test_restoring_an_empty_buffer_empties():
    """It is then ready for steps of other shapes."""
    buffer = RolloutBuffer(2)
    buffer.insert(**vector_step(0))
    buffer.load_state_dict(RolloutBuffer(2).state_dict())
    assert len(buffer) == 0
    steps = [vector_step(number, num_lanes=5) for number in (1, 2)]
    for step in steps:
        buffer.insert(**step)
    assert_rollout_of(buffer.take(), steps)


def test_another_length_is_refused():
    with pytest.raises(UserError, match="5.*6"):
        RolloutBuffer(6).load_state_dict(RolloutBuffer(5).state_dict())


@pytest.mark.parametrize("num_steps", [0, -1])
def test_a_rollout_has_a_step_at_least(num_steps):
    with pytest.raises(ValueError, match="num_steps"):
        RolloutBuffer(num_steps)


def test_a_full_buffer_refuses_more_and_changes_nothing():
    buffer = RolloutBuffer(2)
    for t in range(2):
        buffer.insert(**vector_step(t))
    with pytest.raises(ValueError, match="full"):
        buffer.insert(**vector_step(2))
    assert_rollout_of(buffer.take(), [vector_step(0), vector_step(1)])


def test_a_buffer_that_is_not_full_cannot_be_taken():
    buffer = RolloutBuffer(2)
    with pytest.raises(ValueError, match="0 of its 2"):
        buffer.take()
    buffer.insert(**vector_step(0))
    with pytest.raises(ValueError, match="1 of its 2"):
        buffer.take()
    assert len(buffer) == 1


WRONG = [
    ("observations", np.zeros((3, 3))),
    ("observations", np.zeros((2, 2))),
    ("observations", np.zeros((3, 2), np.int64)),
    ("next_observations", np.zeros((3, 1))),
    ("next_observations", np.zeros((3, 2), np.uint8)),
    ("actions", np.zeros(3)),
    ("actions", np.zeros((3, 1), np.int64)),
    ("dones", np.zeros((3, 1), np.bool_)),
    ("truncateds", np.zeros(2, np.bool_)),
]


@pytest.mark.parametrize(("name", "value"), [*WRONG, ("rewards", np.zeros(2))])
def test_a_step_unlike_the_first_is_refused_and_changes_nothing(name, value):
    buffer = RolloutBuffer(2)
    buffer.insert(**vector_step(0))
    with pytest.raises(ValueError, match=f"^{name} is .* of shape"):
        buffer.insert(**(vector_step(1) | {name: value}))
    buffer.insert(**vector_step(1))
    assert_rollout_of(buffer.take(), [vector_step(0), vector_step(1)])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("observations", np.zeros((2, 2))),
        ("next_observations", np.zeros((3, 1))),
        ("actions", np.zeros((2, 1))),
        ("dones", np.zeros(2, np.bool_)),
    ],
)
def test_a_refused_first_step_leaves_the_buffer_as_it_was(name, value):
    buffer = RolloutBuffer(1)
    with pytest.raises(ValueError, match=f"^{name} is .* of shape"):
        buffer.insert(**(vector_step(0) | {name: value}))
    buffer.insert(**vector_step(1, num_lanes=2))
    assert_rollout_of(buffer.take(), [vector_step(1, num_lanes=2)])
