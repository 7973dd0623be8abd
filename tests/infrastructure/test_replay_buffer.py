"""The replay buffer and its two stores, against a plain list of what was inserted.

Every transition's reward is its number, counted from 0, so that a sample says what it should hold.
"""

import copy
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.env_configs.assemble import make_trainer
from hw.env_configs.loading import bind
from hw.infrastructure import memory
from hw.infrastructure.checkpoint import load_state, save_state
from hw.infrastructure.errors import UserError
from hw.infrastructure.prioritized_replay import PrioritizedReplayBuffer
from hw.infrastructure.replay_buffer import ReplayBuffer

FRAME_SHAPE = (2, 3)


def vector_transition(number):
    """Arguments of `insert` that are all recognisable from the number."""
    return {
        "observation": np.array([number, 0.5]),
        "action": np.array([-number, number, 1.0]),
        "reward": float(number),
        "next_observation": np.array([number + 1, 0.25]),
        "done": number % 3 == 0,
        "truncated": number % 4 == 0,
    }


def batched(transitions):
    return {name: np.stack([t[name] for t in transitions]) for name in transitions[0]}


def filled_buffer(capacity, num_transitions, seed=0):
    buffer = ReplayBuffer(capacity, seed)
    for number in range(num_transitions):
        buffer.insert(**vector_transition(number))
    return buffer


def assert_holds(buffer, transitions):
    """The buffer samples each of its last len(buffer) transitions as it was, and nothing else."""
    batch = buffer.sample(60 * len(buffer))
    numbers = batch["rewards"].astype(int)
    assert set(numbers) == set(range(len(transitions) - len(buffer), len(transitions)))
    expected = batched([transitions[number] for number in numbers])
    for name in ("observation", "action", "reward", "next_observation", "done"):
        np.testing.assert_array_equal(batch[name + "s"], expected[name])


def assert_same_batches(buffer, other, num_batches=3):
    for _ in range(num_batches):
        batch, other_batch = buffer.sample(16), other.sample(16)
        assert batch.keys() == other_batch.keys()
        for name, values in batch.items():
            assert values.dtype == other_batch[name].dtype
            np.testing.assert_array_equal(values, other_batch[name])


# Vectors


@settings(max_examples=60, deadline=None)
@given(capacity=st.integers(1, 9), lanes=st.lists(st.integers(0, 4), min_size=1, max_size=12))
def test_the_last_transitions_inserted_are_what_can_be_sampled(capacity, lanes):
    """A lane count of 0 stands for an insert without a lane axis."""
    buffer, transitions = ReplayBuffer(capacity), []
    for num_lanes in lanes:
        new = [vector_transition(len(transitions) + i) for i in range(max(num_lanes, 1))]
        transitions += new
        buffer.insert(**(batched(new) if num_lanes else new[0]))
        assert len(buffer) == min(capacity, len(transitions))
        assert_holds(buffer, transitions)


@settings(max_examples=30, deadline=None)
@given(capacity=st.integers(1, 9), num_lanes=st.integers(1, 5), num_steps=st.integers(1, 6))
def test_inserting_lanes_together_equals_inserting_them_one_at_a_time(
    capacity, num_lanes, num_steps
):
    together, one_by_one = ReplayBuffer(capacity, seed=5), ReplayBuffer(capacity, seed=5)
    for step in range(num_steps):
        lanes = [vector_transition(step * num_lanes + i) for i in range(num_lanes)]
        together.insert(**batched(lanes))
        for transition in lanes:
            one_by_one.insert(**transition)
    assert_same_batches(together, one_by_one)


def test_only_termination_is_stored_as_done():
    buffer = ReplayBuffer(4)
    buffer.insert(np.zeros(1), np.zeros(1), 0.0, np.zeros(1), done=False, truncated=True)
    buffer.insert(np.zeros(1), np.zeros(1), 1.0, np.zeros(1), done=True)
    batch = buffer.sample(50)
    assert batch["dones"].dtype == np.bool_
    np.testing.assert_array_equal(batch["dones"], batch["rewards"] == 1.0)


def test_samples_have_a_leading_batch_axis_and_no_other_new_one():
    batch = filled_buffer(8, 8).sample(5)
    shapes = {name: values.shape for name, values in batch.items()}
    assert shapes == {
        "observations": (5, 2),
        "actions": (5, 3),
        "rewards": (5,),
        "next_observations": (5, 2),
        "dones": (5,),
    }


@pytest.mark.parametrize(
    ("dtype", "stored"),
    [
        (np.float64, np.float32),
        (np.float32, np.float32),
        (np.int64, np.int64),
        (np.int32, np.int32),
        (np.uint8, np.uint8),
        (np.bool_, np.bool_),
    ],
)
def test_only_float64_changes_its_type(dtype, stored):
    buffer = ReplayBuffer(2)
    ones = np.ones(3, dtype)
    buffer.insert(ones, ones, 1.0, ones, False)
    batch = buffer.sample(1)
    for name in ("observations", "actions", "next_observations"):
        assert batch[name].dtype == stored
        np.testing.assert_array_equal(batch[name], np.ones((1, 3)))
    assert batch["rewards"].dtype == np.float32


def test_a_discrete_action_needs_no_axis_of_its_own():
    buffer = ReplayBuffer(10)
    buffer.insert(np.zeros(2), 3, 0.0, np.zeros(2), False)
    buffer.insert(
        np.zeros((2, 2)), np.array([4, 5]), np.ones(2), np.zeros((2, 2)), np.ones(2, bool)
    )
    batch = buffer.sample(60)
    assert batch["actions"].shape == (60,)
    assert set(batch["actions"]) == {3, 4, 5}


def test_what_is_sampled_is_a_copy():
    buffer = filled_buffer(4, 4)
    for values in buffer.sample(20).values():
        values[...] = True
    assert_holds(buffer, [vector_transition(number) for number in range(4)])


def test_what_is_inserted_is_copied():
    buffer = ReplayBuffer(3)
    observation, action = np.zeros((1, 2), np.float32), np.zeros((1, 1), np.float32)
    for number in range(3):
        observation[:] = action[:] = number
        buffer.insert(observation, action, np.array([number]), observation, np.array([False]))
    batch = buffer.sample(60)
    for name in ("observations", "next_observations", "actions"):
        np.testing.assert_array_equal(batch[name][:, 0], batch["rewards"])


def test_memory_is_allocated_at_the_first_insert_and_never_again():
    buffer = ReplayBuffer(1000)
    tracemalloc.start()
    try:
        buffer.insert(**vector_transition(0))
        after_first = tracemalloc.get_traced_memory()[0]
        for number in range(3000):
            buffer.insert(**vector_transition(number))
        after_all = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    content = 1000 * (2 * 2 * 4 + 3 * 4 + 4 + 1)
    assert content <= after_first < 1.2 * content
    assert after_all - after_first < 0.1 * content


@pytest.mark.parametrize(
    ("num_inserted", "num_lanes", "slots"),
    [(0, 3, [0, 1, 2]), (2, 3, [2, 3, 4]), (4, 3, [4, 0, 1]), (15, 2, [0, 1])],
)
def test_the_next_slots_by_hand(num_inserted, num_lanes, slots):
    buffer = filled_buffer(5, num_inserted)
    np.testing.assert_array_equal(np.arange(5)[buffer.next_slots(num_lanes)], slots)
    assert buffer.num_inserted == num_inserted


def test_of_more_lanes_than_slots_the_last_stay():
    buffer, memory = filled_buffer(3, 2), np.zeros(3)
    memory[buffer.next_slots(7)] = np.arange(7)
    np.testing.assert_array_equal(memory, [4, 5, 6])


# Sampling


def chi_square(counts):
    expected = counts.sum() / counts.size
    return ((counts - expected) ** 2 / expected).sum()


@pytest.mark.parametrize("num_inserted", [50, 83])
def test_sampling_is_uniform_over_what_is_held(num_inserted):
    buffer = filled_buffer(50, num_inserted, seed=1)
    numbers = buffer.sample(20_000)["rewards"].astype(int)
    counts = np.bincount(numbers - (num_inserted - 50), minlength=50)
    assert counts.shape == (50,)
    assert 23.98 < chi_square(counts) < 85.35  # 0.1% and 99.9% quantiles, 49 degrees of freedom


def test_draws_are_independent_and_with_replacement():
    buffer = filled_buffer(10, 10, seed=2)
    numbers = buffer.sample(20_000)["rewards"].astype(int)
    pairs = np.bincount(10 * numbers[::2] + numbers[1::2], minlength=100)
    assert 60.26 < chi_square(pairs) < 148.23  # the same quantiles, 99 degrees of freedom


def test_a_buffer_that_is_not_full_is_sampled_only_where_it_was_written():
    buffer = filled_buffer(1000, 3)
    assert len(buffer) == 3
    assert_holds(buffer, [vector_transition(number) for number in range(3)])


def test_sampling_uses_the_buffers_own_generator():
    def samples(buffer):
        return buffer.sample(40)["rewards"]

    first, same, other = (filled_buffer(50, 50, seed) for seed in (1, 1, 2))
    batch = samples(first)
    assert not np.array_equal(batch, samples(other))
    np.testing.assert_array_equal(batch, samples(same))
    assert not np.array_equal(batch, samples(first))


# Frames


@st.composite
def image_streams(draw):
    """Steps of several lanes, as arguments of `insert`, and the buffer to insert them into.

    Frames take few values, so that different ones are often equal; a reset either repeats its first
    frame, as frame stacking does, or gives frames that differ. Now and then a stack has nothing to
    do with the one before. Lanes may drop out for a while.
    """
    num_stacked_frames = draw(st.integers(1, 3))
    num_lanes = draw(st.integers(1, 3))
    lanes_may_drop_out = draw(st.booleans())
    capacity = draw(st.integers(1, 14))
    num_values = draw(st.sampled_from([1, 2, 200]))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))

    def frames(count):
        values = random.integers(num_values, size=(count, 1, 1), dtype=np.uint8)
        return np.broadcast_to(values, (count, *FRAME_SHAPE))

    def first_stack():
        if random.random() < 0.5:
            return np.repeat(frames(1), num_stacked_frames, axis=0)
        return frames(num_stacked_frames)

    stacks = [first_stack() for _ in range(num_lanes)]
    steps, transitions = [], []
    for _ in range(draw(st.integers(1, 30))):
        active = random.integers(1, num_lanes + 1) if lanes_may_drop_out else num_lanes
        for lane in range(active):
            next_stack = np.concatenate([stacks[lane][1:], frames(1)])
            if random.random() < 0.05:
                next_stack = frames(num_stacked_frames)
            done, truncated = random.random(2) < 0.12
            single = num_stacked_frames == 1
            transitions.append(
                {
                    "observation": stacks[lane][0] if single else stacks[lane],
                    "action": np.array([len(transitions)]),
                    "reward": float(len(transitions)),
                    "next_observation": next_stack[0] if single else next_stack,
                    "done": done,
                    "truncated": truncated,
                }
            )
            stacks[lane] = first_stack() if done or truncated else next_stack
        steps.append(batched(transitions[-active:]))
    return ReplayBuffer(capacity, 0, num_stacked_frames), steps, transitions


@settings(max_examples=150, deadline=None)
@given(image_streams())
def test_image_stacks_come_back_as_they_were_inserted(stream):
    buffer, steps, transitions = stream
    num_inserted = 0
    for step in steps:
        buffer.insert(**step)
        num_inserted += len(step["reward"])
        assert 1 <= len(buffer) <= min(buffer.capacity, num_inserted)
        assert_holds(buffer, transitions[:num_inserted])


@settings(max_examples=40, deadline=None)
@given(image_streams(), st.floats(0.0, 1.0))
def test_a_restored_image_buffer_goes_on_like_the_original(stream, fraction):
    buffer, steps, transitions = stream
    interruption = int(fraction * len(steps))
    for step in steps[:interruption]:
        buffer.insert(**step)
    restored = ReplayBuffer(buffer.capacity, 99, buffer.num_stacked_frames)
    restored.load_state_dict(copy.deepcopy(buffer.state_dict()))
    for step in steps[interruption:]:
        buffer.insert(**step)
        restored.insert(**step)
        assert len(restored) == len(buffer)
        assert_same_batches(restored, buffer, num_batches=1)
    assert_same_batches(restored, buffer)
    assert_holds(restored, transitions)


def insert_image_episodes(buffer, num_steps, episode_length, num_lanes=1):
    """Play stacks of 4 frames (8, 8); every frame but an episode's first few is new."""
    random = np.random.default_rng(0)
    stacks = np.zeros((num_lanes, 4, 8, 8), np.uint8)
    for step in range(num_steps):
        if step % episode_length == 0:
            stacks = np.repeat(
                random.integers(256, size=(num_lanes, 1, 8, 8), dtype=np.uint8), 4, 1
            )
        new_frames = random.integers(256, size=(num_lanes, 1, 8, 8), dtype=np.uint8)
        next_stacks = np.concatenate([stacks[:, 1:], new_frames], axis=1)
        truncated = np.full(num_lanes, step % episode_length == episode_length - 1)
        nothing = np.zeros(num_lanes)
        buffer.insert(
            stacks, nothing[:, None], nothing, next_stacks, nothing.astype(bool), truncated
        )
        stacks = next_stacks


@pytest.mark.parametrize("num_lanes", [1, 3])
def test_each_frame_is_kept_once(num_lanes):
    """Two stacks of four would take 8 frames a transition; sharing takes little more than 1."""
    capacity, frame_bytes = 600, 64
    buffer = ReplayBuffer(capacity, num_stacked_frames=4)
    tracemalloc.start()
    try:
        insert_image_episodes(buffer, 3 * capacity // num_lanes, 40, num_lanes)
        num_bytes = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    bookkeeping = 100  # bytes a transition: frame numbers, action, reward, done
    assert num_bytes < capacity * (frame_bytes + bookkeeping) * 1.1
    assert capacity * 40 / 41 - 4 * num_lanes <= len(buffer) <= capacity


def test_the_smallest_image_buffer_holds_its_last_transition():
    buffer = ReplayBuffer(1, num_stacked_frames=4)
    insert_image_episodes(buffer, 25, episode_length=6, num_lanes=2)
    assert len(buffer) == 1


def test_byte_vectors_are_no_images():
    buffer = ReplayBuffer(4, num_stacked_frames=1)
    for number in range(4):
        row = np.array([number, 255], np.uint8)
        buffer.insert(row, 0, float(number), row + np.uint8(1), False)
    batch = buffer.sample(30)
    assert len(buffer) == 4
    np.testing.assert_array_equal(batch["observations"][:, 0], batch["rewards"])
    np.testing.assert_array_equal(batch["next_observations"][:, 1], np.zeros(30))  # 255 + 1


def test_a_leading_axis_that_is_no_stack_is_named():
    buffer = ReplayBuffer(4, num_stacked_frames=4)
    image = np.zeros((3, 8, 8), np.uint8)
    with pytest.raises(ValueError, match=r"\(3, 8, 8\).*stacks of 4"):
        buffer.insert(image, 0, 0.0, image, False)


# n-step returns


@st.composite
def lane_streams(draw):
    """Vector steps of a constant number of lanes whose episodes end now and then, for `insert`.

    Rewards are numbers of transitions. Observations are vectors, images, or stacks of 2 frames, and
    tell the number too; one that follows in an episode is the next observation before it.
    """
    num_lanes = draw(st.integers(1, 4))
    num_stacked_frames = draw(st.sampled_from([0, 1, 2]))  # 0: vectors
    end_probability = draw(st.sampled_from([0.0, 0.1, 0.4]))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))

    def observation(*labels):
        if num_stacked_frames == 0:
            return np.array([labels[-1], 0.5])
        frames = [np.full(FRAME_SHAPE, label, np.uint8) for label in labels[-num_stacked_frames:]]
        return frames[0] if num_stacked_frames == 1 else np.stack(frames)

    steps, begins = [], np.ones(num_lanes, bool)
    for step in range(draw(st.integers(1, 25))):
        lanes = []
        for lane in range(num_lanes):
            number = step * num_lanes + lane
            before = 200 if begins[lane] else number - num_lanes
            done, truncated = random.random(2) < end_probability
            following = 201 if done or truncated else number + num_lanes
            lanes.append(
                {
                    "observation": observation(before, number),
                    "action": np.array([-number]),
                    "reward": float(number),
                    "next_observation": observation(number, following),
                    "done": done,
                    "truncated": truncated,
                }
            )
            begins[lane] = done or truncated
        steps.append(batched(lanes))
    return max(num_stacked_frames, 1), steps


def assert_n_steps(buffer, steps, batch_size=200):
    """Each row of a sample is what walking on from its transition, step by step, gives."""
    num_lanes, n_step = len(steps[0]["reward"]), buffer.n_step
    num_inserted = num_lanes * len(steps)
    batch = buffer.sample(batch_size)
    numbers = -batch["actions"][:, 0].astype(int)
    held = range(num_inserted - len(buffer), num_inserted)
    assert set(numbers) <= set(held)
    if batch_size > 20 * len(buffer):
        assert set(numbers) == set(held)
    assert batch["num_steps"].dtype == np.int64
    assert batch["rewards"].dtype == np.float32
    for row, number in enumerate(numbers):
        step, lane = divmod(number, num_lanes)
        np.testing.assert_array_equal(batch["observations"][row], steps[step]["observation"][lane])
        rewards, last = [], step
        while True:
            rewards.append(steps[last]["reward"][lane])
            ended = steps[last]["done"][lane] or steps[last]["truncated"][lane]
            if ended or len(rewards) == n_step or last + 1 == len(steps):
                break
            last += 1
        assert batch["num_steps"][row] == len(rewards)
        padded = rewards + [0.0] * (n_step - len(rewards))
        np.testing.assert_array_equal(batch["rewards"][row], padded)
        assert batch["dones"][row] == steps[last]["done"][lane]
        np.testing.assert_array_equal(
            batch["next_observations"][row], steps[last]["next_observation"][lane]
        )


@settings(max_examples=100, deadline=None)
@given(lane_streams(), st.integers(1, 40), st.integers(2, 5))
def test_n_steps_are_those_of_walking_on_in_the_lane(stream, capacity, n_step):
    num_stacked_frames, steps = stream
    buffer = ReplayBuffer(capacity, 0, num_stacked_frames, n_step)
    for count, step in enumerate(steps, start=1):
        buffer.insert(**step)
        assert_n_steps(buffer, steps[:count], batch_size=40)
    assert_n_steps(buffer, steps, batch_size=21 * len(buffer))


@settings(max_examples=60, deadline=None)
@given(lane_streams(), st.integers(1, 40), st.integers(2, 5), st.floats(0.0, 1.0))
def test_n_steps_go_on_after_restoring(tmp_path_factory, stream, capacity, n_step, fraction):
    path = tmp_path_factory.mktemp("states") / "buffer.npz"
    num_stacked_frames, steps = stream
    buffer = ReplayBuffer(capacity, 0, num_stacked_frames, n_step)
    restored = ReplayBuffer(capacity, 9, num_stacked_frames, n_step)
    interruption = int(fraction * len(steps))
    for step in steps[:interruption]:
        buffer.insert(**step)
    save_state(path, buffer.state_dict())
    restored.load_state_dict(load_state(path))
    if interruption:
        assert_same_batches(restored, buffer)
    for step in steps[interruption:]:
        buffer.insert(**step)
        restored.insert(**step)
    assert_same_batches(restored, buffer)
    assert_n_steps(restored, steps)


def test_three_steps_by_hand():
    """Of 7 steps, number 2 is truncated and number 4 terminates; the ring has forgotten 0 and 1."""
    buffer = ReplayBuffer(5, n_step=3)
    for number in range(7):
        label = np.array([number])
        buffer.insert(label, label, 10.0 * number, label + 100, number == 4, number == 2)
    batch = buffer.sample(400)
    rows = {
        int(batch["actions"][i, 0]): (
            batch["rewards"][i].tolist(),
            int(batch["next_observations"][i, 0]),
            bool(batch["dones"][i]),
            int(batch["num_steps"][i]),
        )
        for i in range(400)
    }
    assert rows == {
        2: ([20.0, 0.0, 0.0], 102, False, 1),
        3: ([30.0, 40.0, 0.0], 104, True, 2),
        4: ([40.0, 0.0, 0.0], 104, True, 1),
        5: ([50.0, 60.0, 0.0], 106, False, 2),
        6: ([60.0, 0.0, 0.0], 106, False, 1),
    }


def test_n_steps_draw_the_same_transitions_as_one():
    one, three = filled_buffer(20, 50, seed=3), ReplayBuffer(20, 3, n_step=3)
    for number in range(50):
        three.insert(**vector_transition(number))
    batch, other = one.sample(64), three.sample(64)
    np.testing.assert_array_equal(batch["rewards"], other["rewards"][:, 0])
    for name in ("observations", "actions"):
        np.testing.assert_array_equal(batch[name], other[name])


def test_n_steps_that_are_sampled_are_copies():
    buffer, steps = ReplayBuffer(9, n_step=2), []
    for number in range(4):
        steps.append(batched([vector_transition(number + 1)]))
        buffer.insert(**steps[-1])
    before = buffer.sample(0)
    state = copy.deepcopy(buffer.state_dict())
    for values in buffer.sample(20).values():
        values[...] = True
    found = buffer.state_dict()["records"].array
    np.testing.assert_array_equal(found, state["records"].array)
    assert before["rewards"].shape == (0, 2)


@pytest.mark.parametrize("scalars", [True, False])
def test_n_steps_need_a_constant_number_of_lanes(scalars):
    buffer = ReplayBuffer(10, n_step=2)
    buffer.insert(**batched([vector_transition(0), vector_transition(1)]))
    third = vector_transition(2)
    with pytest.raises(ValueError, match=r"1 lane\(s\) after 2"):
        buffer.insert(**(third if scalars else batched([third])))
    assert len(buffer) == 2
    restored = ReplayBuffer(10, n_step=2)
    restored.load_state_dict(buffer.state_dict())
    with pytest.raises(ValueError, match=r"1 lane\(s\) after 2"):
        restored.insert(**third)


@pytest.mark.parametrize("n_step", [0, -1])
def test_there_is_one_step_at_least(n_step):
    with pytest.raises(ValueError, match="n_step"):
        ReplayBuffer(4, n_step=n_step)


def test_another_n_step_is_refused():
    with pytest.raises(UserError, match="n_step 1, this one 3"):
        ReplayBuffer(5, n_step=3).load_state_dict(filled_buffer(5, 3).state_dict())


# State


@settings(max_examples=30, deadline=None)
@given(capacity=st.integers(1, 8), before=st.integers(0, 20), after=st.integers(1, 20))
def test_a_restored_buffer_goes_on_with_the_same_samples(capacity, before, after):
    buffer = filled_buffer(capacity, before, seed=3)
    if before:
        buffer.sample(7)
    restored = ReplayBuffer(capacity, seed=4)
    restored.load_state_dict(copy.deepcopy(buffer.state_dict()))
    assert len(restored) == len(buffer)
    for number in range(before, before + after):
        buffer.insert(**vector_transition(number))
        restored.insert(**vector_transition(number))
    assert_same_batches(restored, buffer)


@pytest.mark.parametrize("is_image", [False, True])
def test_a_buffer_survives_being_written_to_disk(tmp_path, is_image):
    buffer = ReplayBuffer(50, 1, 4) if is_image else filled_buffer(50, 70)
    if is_image:
        insert_image_episodes(buffer, 70, episode_length=9)
    save_state(tmp_path / "buffer.npz", buffer.state_dict())
    restored = ReplayBuffer(50, 2, buffer.num_stacked_frames)
    restored.load_state_dict(load_state(tmp_path / "buffer.npz"))
    assert len(restored) == len(buffer)
    assert_same_batches(restored, buffer)


@pytest.mark.parametrize("is_image", [False, True])
def test_restoring_an_empty_buffer_empties(is_image):
    buffer = ReplayBuffer(10, 0, 4) if is_image else filled_buffer(10, 25)
    if is_image:
        insert_image_episodes(buffer, 25, episode_length=9)
    buffer.load_state_dict(ReplayBuffer(10).state_dict())
    assert len(buffer) == 0
    buffer.insert(np.ones(7), 1, 0.0, np.ones(7), False)
    assert buffer.sample(2)["observations"].shape == (2, 7)


def test_what_fitted_before_restoring_is_refused_where_it_no_longer_fits():
    buffer, other = ReplayBuffer(3), ReplayBuffer(3)
    narrow = (np.zeros(1), 0, 0.0, np.zeros(1), False)
    buffer.insert(*narrow)
    other.insert(np.zeros(5), 0, 0.0, np.zeros(5), False)
    buffer.load_state_dict(other.state_dict())
    with pytest.raises(ValueError, match="^observation is"):
        buffer.insert(*narrow)


def test_another_capacity_is_refused():
    with pytest.raises(UserError, match="5.*6"):
        ReplayBuffer(6).load_state_dict(filled_buffer(5, 3).state_dict())


@pytest.mark.parametrize("is_image", [False, True])
def test_a_copy_is_a_buffer_of_its_own(is_image):
    buffer = ReplayBuffer(10, 0, 4) if is_image else filled_buffer(10, 12)
    if is_image:
        insert_image_episodes(buffer, 12, episode_length=9)
    twin, changed = copy.deepcopy(buffer), copy.deepcopy(buffer)
    batch = buffer.sample(1)
    for _ in range(12):
        observation = batch["observations"][0] // 2
        changed.insert(observation, batch["actions"][0], 99.0, observation, True)
    assert set(changed.sample(50)["rewards"]) == {99.0}
    twin.sample(1)
    assert_same_batches(twin, buffer)


# Memory

ATARI = ((4, 84, 84), np.dtype(np.uint8), (), np.dtype(np.int64))


def test_bytes_of_a_million_transitions_by_hand():
    vectors = ReplayBuffer(1_000_000).num_bytes((17,), np.dtype(float), (6,), np.dtype(float))
    assert vectors == 1_000_000 * (4 * (17 + 17 + 6 + 1) + 2 + 2)  # 2 bytes of padding
    frames = ReplayBuffer(1_000_000, num_stacked_frames=4).num_bytes(*ATARI)
    record = 8 * 2 * 4 + 8 + 4 + 1 + 1 + 2  # frame numbers, action, reward, flags, padding
    assert frames == 1_000_000 * record + 1_000_008 * (84 * 84 + 8)
    assert 7.1e9 < frames < 7.2e9
    tree = 8 * 2 * 2**20
    prioritized = PrioritizedReplayBuffer(1_000_000, priority_exponent=1, priority_epsilon=1)
    assert prioritized.num_bytes((17,), np.dtype(float), (6,), np.dtype(float)) == vectors + tree


@pytest.mark.parametrize("is_image", [False, True])
def test_the_bytes_announced_are_those_taken(is_image):
    observation = np.zeros((2, 30, 30), np.uint8) if is_image else np.zeros(11, np.float32)
    buffer = ReplayBuffer(3000, num_stacked_frames=2)
    tracemalloc.start()
    try:
        buffer.insert(observation, 0, 0.0, observation, False)
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    announced = buffer.num_bytes(observation.shape, observation.dtype, (), np.dtype(np.int64))
    assert announced <= taken < announced + 20_000


RESIDENT_BYTES = """
import sys
import numpy as np
from hw.infrastructure.replay_buffer import ReplayBuffer

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

is_image = sys.argv[1] == "True"
capacity, num_lanes = (50_000, 50) if is_image else (1_000_000, 1000)
shape = (num_lanes, 4, 20, 20) if is_image else (num_lanes, 17)
observations = np.ones(shape, np.uint8 if is_image else np.float32)
actions, rewards = np.ones((num_lanes, 6), np.float32), np.ones(num_lanes)
buffer = ReplayBuffer(capacity, num_stacked_frames=4)
ReplayBuffer(1000, num_stacked_frames=4).insert(
    observations, actions, rewards, observations, rewards > 1
)
before = resident()
for _ in range(capacity // num_lanes):
    buffer.insert(observations, actions, rewards, observations, rewards > 1)
print(resident() - before, len(buffer))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("is_image", [False, True])
def test_a_full_buffer_is_little_more_than_its_arrays(is_image):
    """Measured from outside numpy; frames are 20 x 20, each kept once and not 8 times."""
    content = 50_000 * (400 + 8 * 8 + 8 + 6 * 4 + 6) if is_image else 1_000_000 * (41 * 4 + 2)
    output = subprocess.run(
        [sys.executable, "-c", RESIDENT_BYTES, str(is_image)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    num_bytes, num_held = map(int, output.split())
    assert num_held > 49_700 if is_image else num_held == 1_000_000
    assert 0.98 * content < num_bytes < 1.05 * content


def test_a_buffer_beyond_the_machines_memory_is_refused_before_it_is_allocated(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 7_000_000_000)
    buffer = ReplayBuffer(1_000_000, num_stacked_frames=4)
    stack = np.zeros((4, 84, 84), np.uint8)
    needed = rf"{buffer.num_bytes(*ATARI):,} bytes \(7\.1 GB\)"
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match=f"{needed}.*7,000,000,000.*replay_buffer_capacity"):
            buffer.insert(stack, 0, 0.0, stack, False)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    assert len(buffer) == 0


def test_a_run_whose_buffer_is_beyond_memory_ends_before_it_begins(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "available_memory", lambda: 1_000_000)
    config = bind({"base_config": "dqn", "env_name": "CartPole-v1", "compile": False})
    with pytest.raises(UserError, match="replay_buffer_capacity"):
        make_trainer(config, tmp_path, show_progress=False)


def test_a_buffer_fits_to_the_byte(monkeypatch):
    state = filled_buffer(50, 3).state_dict()
    needed = ReplayBuffer(50).num_bytes((2,), np.dtype(float), (3,), np.dtype(float))
    monkeypatch.setattr(memory, "available_memory", lambda: needed)
    filled_buffer(50, 3)
    ReplayBuffer(50).load_state_dict(state)
    monkeypatch.setattr(memory, "available_memory", lambda: needed - 1)
    with pytest.raises(UserError, match="replay_buffer_capacity"):
        filled_buffer(50, 3)
    with pytest.raises(UserError, match="replay_buffer_capacity"):
        ReplayBuffer(50).load_state_dict(state)
    monkeypatch.setattr(memory, "available_memory", lambda: None)
    filled_buffer(50, 3)


def write_files(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


MEMINFO = {"proc/meminfo": "MemTotal: 9000 kB\nMemFree: 10 kB\nMemAvailable: 5000 kB\n"}
V2 = {
    "proc/self/cgroup": "0::/job/worker\n",
    "sys/fs/cgroup/job/worker/memory.max": "max\n",
    "sys/fs/cgroup/job/worker/memory.current": "300000\n",
    "sys/fs/cgroup/job/worker/memory.stat": "anon 1\ninactive_file 7\n",
    "sys/fs/cgroup/job/memory.max": "1000000\n",
    "sys/fs/cgroup/job/memory.current": "400000\n",
    "sys/fs/cgroup/job/memory.stat": "anon 1\ninactive_file 50000\ninactive_filed 9\n",
}
V1 = {
    "proc/self/cgroup": "9:name=systemd:/\n4:cpu,memory:/not/visible\n3:cpuset:/\n0::/\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "800000\n",
    "sys/fs/cgroup/memory/memory.usage_in_bytes": "500000\n",
    "sys/fs/cgroup/memory/memory.stat": "inactive_file 5\ntotal_inactive_file 20000\n",
}


@pytest.mark.parametrize(
    ("files", "available"),
    [
        (MEMINFO, 5_120_000),
        (MEMINFO | V2, 650_000),
        (MEMINFO | V1, 320_000),
        (MEMINFO | V1 | {"sys/fs/cgroup/memory/memory.usage_in_bytes": "900000"}, 0),
        (MEMINFO | V1 | {"sys/fs/cgroup/memory/memory.limit_in_bytes": str(2**63)}, 5_120_000),
    ],
)
def test_available_memory_is_the_least_of_machine_and_control_groups(tmp_path, files, available):
    write_files(tmp_path, files)
    assert memory.available_memory(tmp_path) == available


def test_available_memory_without_linux_is_the_systems_or_unknown(tmp_path, monkeypatch):
    sizes = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 10}
    monkeypatch.setattr(os, "sysconf", lambda name: sizes[name] if name in sizes else int(name))
    assert memory.available_memory(tmp_path) == 40_960  # macOS: no SC_AVPHYS_PAGES
    monkeypatch.delattr(os, "sysconf")
    assert memory.available_memory(tmp_path) is None


# Mistakes


def test_an_empty_buffer_cannot_be_sampled():
    with pytest.raises(UserError, match="empty"):
        ReplayBuffer(3).sample(1)


@pytest.mark.parametrize("capacity", [0, -1])
def test_a_buffer_needs_room(capacity):
    with pytest.raises(ValueError, match="capacity"):
        ReplayBuffer(capacity)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("observation", np.zeros(3)),
        ("observation", np.zeros(2, np.int64)),
        ("next_observation", np.zeros(1)),
        ("action", np.zeros(2)),
        ("action", np.array(1)),
    ],
)
def test_a_transition_unlike_the_first_is_refused_and_changes_nothing(name, value):
    buffer = filled_buffer(4, 4)
    with pytest.raises(ValueError, match=f"^{name} is {value.dtype}"):
        buffer.insert(**(vector_transition(4) | {name: value}))
    assert_holds(buffer, [vector_transition(number) for number in range(4)])


@pytest.mark.parametrize("name", ["done", "truncated"])
@pytest.mark.parametrize("value", [np.array([True]), np.ones((2, 1), bool)])
def test_lanes_that_do_not_match_are_refused(name, value):
    lanes = batched([vector_transition(0), vector_transition(1)])
    buffer = ReplayBuffer(4)
    for _ in range(2):  # also after lanes that do
        with pytest.raises(ValueError, match=f"{name} has shape"):
            buffer.insert(**(lanes | {name: value}))
        buffer.insert(**lanes)
