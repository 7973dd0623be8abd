"""Rows in segments: what comes back, and that what has not changed is not written again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.infrastructure import segments
from hw.infrastructure.checkpoint import CheckpointDirectory, list_states, load_state
from hw.infrastructure.errors import UserError
from hw.infrastructure.segments import Rows, SegmentStore


@pytest.fixture(autouse=True)
def four_rows_a_segment(monkeypatch):
    monkeypatch.setattr(segments, "SEGMENT_BYTES", 4 * 3)


class Ring:
    """A ring of rows of 3 bytes."""

    def __init__(self, size):
        self.memory = np.zeros((size, 3), np.uint8)
        self.size, self.count = size, 0

    def write(self, count, random):
        for _ in range(count):
            self.memory[self.count % self.size] = random.integers(256, size=3)
            self.count += 1

    @property
    def used(self):
        return self.memory[: min(self.count, self.size)]

    def rows(self):
        return Rows("ring", self.used, self.size, self.count)


def names(directory):
    return {path.name for path in directory.glob("segments/*")}


def read(rows):
    memory = np.zeros(rows.shape, np.uint8)
    rows.read_into(memory)
    return memory


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 23), amounts=st.lists(st.integers(0, 30), min_size=1, max_size=5))
def test_each_checkpoint_holds_the_ring_as_it_was(tmp_path_factory, size, amounts):
    directory = CheckpointDirectory(tmp_path_factory.mktemp("run"), None, None, num_kept=9)
    ring, random, expected = Ring(size), np.random.default_rng(0), []
    for step, amount in enumerate(amounts):
        ring.write(amount, random)
        directory.save_checkpoint(step, {"ring": ring.rows()})
        expected.append(ring.used.copy())
    for path, content in zip(list_states(directory.checkpoints), expected, strict=True):
        np.testing.assert_array_equal(read(load_state(path)["ring"]), content)


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(1, 23),
    before=st.integers(0, 60),
    more=st.integers(0, 30),
)
def test_what_is_new_is_known_without_looking_at_the_rows(size, before, more):
    """The version of a segment changes if and only if one of its rows was written."""
    ring, random = Ring(size), np.random.default_rng(0)

    def versions():
        return {
            first: (
                min(first + 4, len(ring.used)),
                ring.rows().last_written(first, min(first + 4, len(ring.used))),
            )
            for first in range(0, len(ring.used), 4)
        }

    ring.write(before, random)
    old = versions()
    written = {number % size for number in range(ring.count, ring.count + more)}
    ring.write(more, random)
    for first, version in versions().items():
        changed = any(first <= row < first + 4 for row in written)
        assert (old.get(first) != version) == changed


def test_only_segments_that_changed_are_written(tmp_path):
    directory = CheckpointDirectory(tmp_path, None, None)
    ring, random = Ring(20), np.random.default_rng(0)
    ring.write(33, random)  # the next row is 13
    directory.save_checkpoint(1, {"ring": ring.rows()})
    first = names(directory.checkpoints)
    assert len(first) == 5
    ring.write(2, random)  # rows 13 and 14
    directory.save_checkpoint(2, {"ring": ring.rows()})
    second = names(directory.checkpoints)
    assert len(second - first) == 1
    ring.write(6, random)  # rows 15 .. 19 and 0
    directory.save_checkpoint(3, {"ring": ring.rows()})
    third = names(directory.checkpoints)
    assert len(third - second) == 3
    assert len(first - third) == 1  # what only the first checkpoint needed is gone


def test_after_a_restore_the_other_past_is_not_mixed_in(tmp_path):
    directory, random = CheckpointDirectory(tmp_path, None, None), np.random.default_rng(0)
    ring = Ring(8)
    ring.write(5, random)
    state = directory.state_dict()
    directory.save_checkpoint(1, {"ring": ring.rows()})
    other = Ring(8)
    other.write(5, random)
    directory.load_state_dict(state)
    path = directory.save_checkpoint(2, {"ring": other.rows()})
    np.testing.assert_array_equal(read(load_state(path)["ring"]), other.used)


def test_a_segment_that_somebody_removed_is_written_again(tmp_path):
    directory, ring = CheckpointDirectory(tmp_path, None, None), Ring(8)
    ring.write(8, np.random.default_rng(0))
    directory.save_checkpoint(1, {"ring": ring.rows()})
    for path in directory.checkpoints.glob("segments/*"):
        path.unlink()
    path = directory.save_checkpoint(2, {"ring": ring.rows()})
    np.testing.assert_array_equal(read(load_state(path)["ring"]), ring.used)


@pytest.mark.parametrize("how", ["missing", "flipped", "shorter", "longer", "another"])
def test_a_damaged_segment_makes_the_checkpoint_unreadable(tmp_path, how):
    directory, ring = CheckpointDirectory(tmp_path, None, None), Ring(8)
    ring.write(8, np.random.default_rng(0))
    path = directory.save_checkpoint(1, {"ring": ring.rows()})
    segment, another = sorted(directory.checkpoints.glob("segments/*"))
    content = segment.read_bytes()
    if how == "missing":
        segment.unlink()
    else:
        flipped = bytes([content[0] ^ 1]) + content[1:]
        damaged = {
            "flipped": flipped,
            "shorter": content[:-1],
            "longer": content + b"\0",
            "another": another.read_bytes(),
        }
        segment.write_bytes(damaged[how])
    with pytest.raises(UserError, match=f"not a readable checkpoint.*{segment.name}"):
        load_state(path)


def test_a_segment_cannot_lie_elsewhere(tmp_path):
    (tmp_path / "secret").write_bytes(b"x")
    saved = {"shape": [1, 1], "rows_each": 1, "digests": ["../secret"]}
    with pytest.raises(ValueError, match="names no segment"):
        SegmentStore(tmp_path / "segments").load(saved)


def test_saving_copies_no_more_than_a_segment(tmp_path, monkeypatch):
    import tracemalloc

    monkeypatch.setattr(segments, "SEGMENT_BYTES", 2**16)
    rows = Rows("big", np.zeros((2**15, 512), np.uint8), 2**15, 2**15)  # 16 MB
    rows.array[:] = np.random.default_rng(0).integers(256, size=rows.array.shape, dtype=np.uint8)
    store = SegmentStore(tmp_path)
    tracemalloc.start()
    try:
        saved = store.save(rows)
        loaded = store.load(saved)
        assert tracemalloc.get_traced_memory()[1] < 2**21
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(read(loaded), rows.array)
