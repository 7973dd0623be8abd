"""The episode buffer against one plain list a lane."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.infrastructure.checkpoint import load_state, save_state
from hw.infrastructure.episode_buffer import EpisodeBuffer
from hw.infrastructure.errors import UserError

NAMES = ("observations", "actions", "rewards", "next_observations", "dones", "truncateds")


def vector_step(number, dones, truncateds):
    """Arguments of `insert`, recognisable from the number and the lane."""
    labels = 100.0 * number + np.arange(len(dones))
    return {
        "observations": np.stack([labels, -labels], axis=1),
        "actions": labels.astype(np.int64),
        "rewards": labels / 2,
        "next_observations": np.stack([labels + 0.5, -labels], axis=1),
        "dones": np.array(dones, np.bool_),
        "truncateds": np.array(truncateds, np.bool_),
    }


@st.composite
def streams(draw):
    """Vector steps of some lanes, whose episodes end now and then, and a buffer size."""
    num_lanes = draw(st.integers(1, 4))
    end_probability = draw(st.sampled_from([0.02, 0.2, 0.6]))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    ends = random.random((draw(st.integers(1, 150)), 2, num_lanes)) < end_probability
    steps = [vector_step(number, *both) for number, both in enumerate(ends)]
    return draw(st.integers(1, 60)), steps


class ListOfEpisodes:
    """What the buffer should do, row by row."""

    def __init__(self, num_lanes):
        self.lanes = [[] for _ in range(num_lanes)]
        self.rows = []

    def insert(self, step):
        for lane, episode in enumerate(self.lanes):
            row = {name: values[lane] for name, values in step.items()}
            episode.append(row)
            if row["dones"] or row["truncateds"]:
                self.rows += episode
                self.lanes[lane] = []

    def take(self):
        batch = {name: np.array([row[name] for row in self.rows]) for name in NAMES}
        self.rows = []
        return batch


def assert_holds(batch, expected):
    assert list(batch) == list(NAMES)
    for name in NAMES:
        assert batch[name].dtype != np.float64
        np.testing.assert_array_equal(batch[name], expected[name])


def assert_same(batch, other):
    for name in NAMES:
        assert batch[name].dtype == other[name].dtype
        np.testing.assert_array_equal(batch[name], other[name])


def test_episodes_come_in_the_order_in_which_they_ended():
    """Lane 0 ends after steps 1 and 3, lane 1 after step 2; at step 3 both end."""
    buffer = EpisodeBuffer(6)
    ends = [(0, 0), (1, 0), (0, 1), (1, 1)]
    for number, (first, second) in enumerate(ends):
        assert not buffer.is_full
        buffer.insert(**vector_step(number, [first, 0], [0, second]))
    assert len(buffer) == 8
    assert buffer.is_full
    batch = buffer.take()
    assert batch["actions"].tolist() == [0, 100, 1, 101, 201, 200, 300, 301]
    assert np.flatnonzero(batch["dones"]).tolist() == [1, 6]
    assert np.flatnonzero(batch["truncateds"]).tolist() == [4, 7]
    assert len(buffer) == 0
    assert not buffer.is_full


@settings(max_examples=150, deadline=None)
@given(streams())
def test_episodes_are_what_was_inserted(stream):
    num_steps, steps = stream
    buffer, expected = EpisodeBuffer(num_steps), ListOfEpisodes(len(steps[0]["rewards"]))
    for step in steps:
        buffer.insert(**step)
        expected.insert(step)
        assert len(buffer) == len(expected.rows)
        assert buffer.is_full == (len(expected.rows) >= num_steps)
        if buffer.is_full:
            batch = buffer.take()
            assert_holds(batch, expected.take())
            assert len(buffer) == 0
            assert batch["dones"][-1] or batch["truncateds"][-1]


def test_ends_are_recorded_by_hand():
    """Three lanes: nothing ends, then lane 1 is truncated, then 0 terminates and 1 does both."""
    buffer = EpisodeBuffer(100)
    nothing = np.zeros(3, np.bool_)
    for number, (dones, truncateds) in enumerate(
        [(nothing, nothing), (nothing, [False, True, False]), ([True, True, False], [0, 1, 0])]
    ):
        buffer.insert(**vector_step(number, dones, truncateds))
    assert buffer.finished == [(1, 0, 2), (0, 0, 3), (1, 2, 3)]
    assert buffer.first_rows.tolist() == [3, 3, 0]
    assert len(buffer) == 6


@settings(max_examples=80, deadline=None)
@given(streams(), st.floats(0.0, 1.0), st.integers(0, 9))
def test_a_restored_buffer_goes_on_like_the_original(
    tmp_path_factory, stream, fraction, used_before
):
    path = tmp_path_factory.mktemp("states") / "buffer.npz"
    num_steps, steps = stream

    def play(buffer, some_steps):
        batches = []
        for step in some_steps:
            buffer.insert(**step)
            if buffer.is_full:
                batches.append(buffer.take())
        return batches

    interruption = int(fraction * len(steps))
    buffer, restored = EpisodeBuffer(num_steps), EpisodeBuffer(num_steps)
    play(restored, steps[:used_before])
    play(buffer, steps[:interruption])
    save_state(path, buffer.state_dict())
    restored.load_state_dict(load_state(path))
    assert len(restored) == len(buffer)
    all_end = vector_step(999, *np.ones((2, len(steps[0]["rewards"]))))
    going_on = steps[interruption:] + [all_end] * num_steps
    batches = play(buffer, going_on)
    assert batches
    for batch, other in zip(batches, play(restored, going_on), strict=True):
        assert_same(batch, other)


def test_a_state_that_was_loaded_is_a_copy():
    buffer, restored = EpisodeBuffer(1), EpisodeBuffer(1)
    buffer.insert(**vector_step(0, [False], [False]))
    restored.load_state_dict(buffer.state_dict())
    for number in (7, 8):
        buffer.insert(**vector_step(number, [True], [False]))
    assert len(restored) == 0
    restored.insert(**vector_step(1, [True], [False]))
    assert restored.take()["actions"].tolist() == [0, 100]


def test_a_full_buffer_goes_on_collecting():
    buffer = EpisodeBuffer(1)
    for number in range(5):
        buffer.insert(**vector_step(number, [True], [False]))
    assert len(buffer) == 5
    assert buffer.take()["actions"].tolist() == [0, 100, 200, 300, 400]


def test_what_was_taken_is_a_copy():
    buffer = EpisodeBuffer(1)
    buffer.insert(**vector_step(0, [True], [False]))
    batch = buffer.take()
    buffer.insert(**vector_step(1, [True], [False]))
    assert batch["actions"].tolist() == [0]


def test_images_stay_bytes():
    buffer = EpisodeBuffer(3)
    images = np.arange(12, dtype=np.uint8).reshape(1, 3, 2, 2)
    for number in range(3):
        step = vector_step(number, [number == 2], [False])
        buffer.insert(**(step | {"observations": images + number, "next_observations": images}))
    batch = buffer.take()
    assert batch["observations"].dtype == np.uint8
    np.testing.assert_array_equal(
        batch["observations"], np.concatenate([images, images + 1, images + 2])
    )


def test_memory_is_bounded_by_the_longest_episode_under_way():
    """Rows of episodes that were taken are used again."""
    buffer = EpisodeBuffer(40)
    for number in range(5000):
        buffer.insert(**vector_step(number, [number % 10 == 0, number % 17 == 0], [False] * 2))
        if buffer.is_full:
            buffer.take()
    assert buffer.state_dict()["steps"]["rewards"].shape[0] < 100
    assert len(buffer.steps.arrays["rewards"]) <= 128


def test_a_long_episode_is_copied_a_few_times_only():
    """Room doubles, so the time is linear in the length."""
    buffer, step = EpisodeBuffer(1), vector_step(0, [False], [False])
    memories = []
    for _ in range(5000):
        buffer.insert(**step)
        if not memories or buffer.steps.arrays["rewards"] is not memories[-1]:
            memories.append(buffer.steps.arrays["rewards"])
    assert 1 < len(memories) < 12


def test_unfinished_episodes_alone_cannot_be_taken():
    buffer = EpisodeBuffer(2)
    with pytest.raises(ValueError, match="0 of 2"):
        buffer.take()
    for number in range(5):
        buffer.insert(**vector_step(number, [False, number == 0], [False, False]))
    with pytest.raises(ValueError, match="1 of 2"):
        buffer.take()
    buffer.insert(**vector_step(5, [False, True], [False, False]))
    assert buffer.take()["actions"].tolist() == [1, 101, 201, 301, 401, 501]


def test_another_size_is_refused():
    with pytest.raises(UserError, match="5.*6"):
        EpisodeBuffer(6).load_state_dict(EpisodeBuffer(5).state_dict())


@pytest.mark.parametrize("num_steps", [0, -1])
def test_a_buffer_collects_a_step_at_least(num_steps):
    with pytest.raises(ValueError, match="num_steps"):
        EpisodeBuffer(num_steps)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("observations", np.zeros((2, 3))),
        ("next_observations", np.zeros((2, 2), np.int64)),
        ("actions", np.zeros(2)),
        ("rewards", np.zeros(3)),
        ("dones", np.ones(1, np.bool_)),
        ("truncateds", np.ones((2, 1), np.bool_)),
    ],
)
def test_a_step_unlike_the_first_is_refused_and_changes_nothing(name, value):
    buffer = EpisodeBuffer(4)
    buffer.insert(**vector_step(0, [False, False], [False, False]))
    with pytest.raises(ValueError, match=f"^{name} is .* of shape"):
        buffer.insert(**(vector_step(1, [True, True], [False, False]) | {name: value}))
    assert len(buffer) == 0
    buffer.insert(**vector_step(1, [True, True], [False, False]))
    assert buffer.take()["actions"].tolist() == [0, 100, 1, 101]
