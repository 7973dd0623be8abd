"""State files: what goes in comes out, and a file that is not ours, or damaged, is only data."""

import errno
import io
import json
import os
import pickle
import shutil
import signal
import sys
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.infrastructure import segments
from hw.infrastructure.checkpoint import (
    CheckpointDirectory,
    best_state,
    latest_state,
    list_states,
    load_state,
    read_about,
    save_state,
    segments_of,
    step_of,
)
from hw.infrastructure.errors import StorageError, UserError
from hw.infrastructure.segments import Rows


def assert_equal(found, expected):
    """Equal in value and in type, all the way down; nan equals nan."""
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        assert [type(key) for key in found] == [type(key) for key in expected]
        for key, value in expected.items():
            assert_equal(found[key], value)
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for item, expected_item in zip(found, expected, strict=True):
            assert_equal(item, expected_item)
    elif isinstance(expected, np.ndarray | torch.Tensor):
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))
    else:
        np.testing.assert_equal(found, expected)


def saved_and_loaded(path, state):
    save_state(path, state)
    return load_state(path)


# Round trips

NUMPY_DTYPES = ["float64", "float32", "float16", "int64", "int8", "uint8", "uint64", "bool", "<U5"]
TORCH_DTYPES = ["float64", "float32", "float16", "int64", "int32", "uint8", "bool"]
shapes = st.lists(st.integers(0, 3), max_size=3).map(tuple)
arrays = st.builds(
    lambda shape, dtype: np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype),
    shapes,
    st.sampled_from(NUMPY_DTYPES),
)
tensors = st.builds(
    lambda shape, dtype: torch.arange(int(np.prod(shape))).reshape(shape).to(getattr(torch, dtype)),
    shapes,
    st.sampled_from(TORCH_DTYPES),
)
keys = st.one_of(st.integers(), st.text(max_size=4), st.tuples(st.integers(), st.text(max_size=2)))
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**130), 2**130), st.floats(), st.text(max_size=8)
)
states = st.recursive(
    st.one_of(scalars, arrays, tensors),
    lambda children: st.one_of(
        st.lists(children, max_size=4),
        st.lists(children, max_size=4).map(tuple),
        st.dictionaries(keys, children, max_size=4),
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(state=states)
def test_any_nested_state_comes_back_as_it_was(tmp_path_factory, state):
    path = tmp_path_factory.getbasetemp() / "any.npz"
    assert_equal(saved_and_loaded(path, state), state)


def test_a_nested_state_by_hand(tmp_path):
    state = {
        "tensor": torch.tensor([[1.5, -2.0]]),
        "scalar tensor": torch.tensor(3),
        "array": np.array([], np.float32),
        3: {"int key": (1, 2.5, None, True, "text")},
        (4, "tuple key"): [[], {}, (), [np.array(True)]],
        "big": -(2**128) + 1,
        "not finite": [np.nan, np.inf, -np.inf],
        "unicode \N{GREEK SMALL LETTER GAMMA}": "\n\0\N{SNOWMAN}",
    }
    assert_equal(saved_and_loaded(tmp_path / "state.npz", state), state)


def test_arrays_of_any_layout_come_back_by_value(tmp_path):
    base = np.arange(24.0).reshape(2, 3, 4)
    state = [base.T, base[:, ::-2], base[..., 1], torch.from_numpy(base).permute(2, 0, 1)]
    found = saved_and_loaded(tmp_path / "state.npz", state)
    assert_equal(found, state)
    assert_equal(torch.from_numpy(found[1].copy()), torch.from_numpy(state[1].copy()))


def test_a_loaded_state_can_be_written_to(tmp_path):
    found = saved_and_loaded(tmp_path / "state.npz", {"a": np.zeros(3), "t": torch.zeros(3)})
    found["a"] += 1
    found["t"] += 1
    assert found["a"].sum() == found["t"].sum() == 3


def test_a_parameter_comes_back_as_a_tensor_without_gradient(tmp_path):
    parameter = torch.nn.Parameter(torch.ones(2))
    found = saved_and_loaded(tmp_path / "state.npz", parameter)
    assert_equal(found, torch.ones(2))
    assert not found.requires_grad


def test_numpys_numbers_become_pythons(tmp_path):
    state = [np.float32(0.5), np.int64(3), np.bool_(True)]
    assert_equal(saved_and_loaded(tmp_path / "state.npz", state), [0.5, 3, True])


@pytest.mark.parametrize("bit_generator", [np.random.PCG64, np.random.MT19937, np.random.Philox])
def test_a_generators_state_comes_back_whole(tmp_path, bit_generator):
    generator = np.random.Generator(bit_generator(0))
    generator.normal(size=5)
    restored = np.random.Generator(bit_generator(1))
    state = saved_and_loaded(tmp_path / "state.npz", generator.bit_generator.state)
    restored.bit_generator.state = state
    np.testing.assert_array_equal(restored.normal(size=9), generator.normal(size=9))


def test_an_optimizer_and_its_network_go_on_with_the_same_bits(tmp_path):
    def make():
        network = torch.nn.Linear(3, 2)
        return network, torch.optim.Adam(network.parameters(), lr=0.1)

    def train(network, optimizer):
        for step in range(3):
            optimizer.zero_grad()
            network(torch.full((4, 3), step + 1.0)).square().sum().backward()
            optimizer.step()
        return network.state_dict()

    network, optimizer = make()
    train(network, optimizer)
    state = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
    state = saved_and_loaded(tmp_path / "state.npz", state)
    restored_network, restored_optimizer = make()
    restored_network.load_state_dict(state["network"])
    restored_optimizer.load_state_dict(state["optimizer"])
    assert_equal(dict(train(restored_network, restored_optimizer)), dict(train(network, optimizer)))


@pytest.mark.parametrize(
    "thing",
    [object(), {1, 2}, len, b"bytes", 1j, np.array([None]), np.array([{}], dtype=object)],
    ids=lambda thing: type(thing).__name__,
)
def test_what_is_neither_number_nor_text_nor_array_is_refused(tmp_path, thing):
    with pytest.raises(TypeError):
        save_state(tmp_path / "state.npz", {"fine": 1, "nested": [thing]})
    assert list(tmp_path.iterdir()) == []


# Interruptions and damage


@pytest.mark.parametrize("failing", ["numpy.savez", "os.fsync", "os.replace"])
def test_an_interrupted_save_leaves_the_old_file(tmp_path, monkeypatch, failing):
    path = tmp_path / "state.npz"
    save_state(path, {"a": np.arange(3)})

    def write_a_little_and_fail(file, *args, **kwargs):
        if hasattr(file, "write"):
            file.write(b"half a fi")
        raise OSError(errno.ENOSPC, "disk full")

    with monkeypatch.context() as patched:
        patched.setattr(failing, write_a_little_and_fail)
        with pytest.raises(StorageError, match="cannot write .*state.npz: disk full"):
            save_state(path, {"a": np.arange(4)})
    assert list(tmp_path.iterdir()) == [path]
    assert_equal(load_state(path), {"a": np.arange(3)})


def test_a_file_has_its_name_only_once_it_is_complete(tmp_path, monkeypatch):
    path, replace = tmp_path / "new" / "state.npz", os.replace
    complete = []

    def check_and_replace(source, target):
        assert not path.exists()
        assert_equal(load_state(source), {"a": np.arange(5)})
        complete.append(target)
        replace(source, target)

    monkeypatch.setattr(os, "replace", check_and_replace)
    save_state(path, {"a": np.arange(5)})
    assert complete == [path]
    assert list(path.parent.iterdir()) == [path]


SMALL_STATE = {"a": np.arange(3), "t": torch.arange(2), "n": {1: (1, [3.5, "x"])}}


@pytest.fixture(scope="module")
def small_file(tmp_path_factory):
    """A path to write to, and what `save_state` writes for SMALL_STATE."""
    path = tmp_path_factory.mktemp("small") / "state.npz"
    save_state(path, SMALL_STATE)
    return path, path.read_bytes()


def assert_damage_is_noticed(path, content, position, flipped):
    """Either the byte means nothing, or there is a UserError."""
    damaged = bytearray(content)
    damaged[position] ^= flipped
    path.write_bytes(damaged)
    try:
        found = load_state(path)
    except UserError:
        return
    assert_equal(found, SMALL_STATE)


@settings(max_examples=150, deadline=None)
@given(position=st.floats(0, 1, exclude_max=True), flipped=st.integers(1, 255))
def test_a_damaged_byte_is_noticed(small_file, position, flipped):
    path, content = small_file
    assert_damage_is_noticed(path, content, int(position * len(content)), flipped)


def test_a_damaged_entry_of_the_archives_directory_is_noticed(small_file):
    """Its versions, flags and method: damage there raises errors of zipfile's own choosing."""
    path, content = small_file
    entry = content.index(b"PK\x01\x02")
    for position in range(entry + 4, entry + 12):
        for bit in range(8):
            assert_damage_is_noticed(path, content, position, 1 << bit)


def test_a_truncated_file_is_noticed(small_file):
    path, content = small_file
    for length in range(0, len(content), 17):
        path.write_bytes(content[:length])
        with pytest.raises(UserError, match="not a readable checkpoint"):
            load_state(path)


def test_a_large_array_that_claims_to_be_shorter_is_noticed(tmp_path):
    path = tmp_path / "state.npz"
    save_state(path, np.arange(50_000))
    path.write_bytes(path.read_bytes().replace(b"(50000,)", b"(10000,)"))
    with pytest.raises(UserError, match="not a readable checkpoint"):
        load_state(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.npz: no such checkpoint"):
        load_state(tmp_path / "nowhere.npz")


def random_damage(content, random):
    """Bits flipped, an end cut off, blocks swapped or overwritten: always something else."""
    damaged = bytearray(content)
    kind = random.integers(5)
    if kind == 0:
        for _ in range(random.integers(1, 9)):
            damaged[random.integers(len(damaged))] ^= 1 << random.integers(8)
    elif kind == 1:
        del damaged[random.integers(len(damaged)) :]
    else:
        size = int(random.integers(1, len(damaged) // 2))
        first, second = sorted(random.integers(len(damaged) - size + 1, size=2).tolist())
        if kind == 2 and second - first >= size:
            block = damaged[first : first + size]
            damaged[first : first + size] = damaged[second : second + size]
            damaged[second : second + size] = block
        elif kind == 3:
            damaged[first : first + size] = random.bytes(size)
        else:
            del damaged[first : first + size]
    return bytes(damaged)


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_damaged_checkpoints_load_as_an_error_and_never_as_other_numbers(count, tmp_path):
    """The main file or a segment; what is damaged is never loaded, not even as it was."""
    path = save_small_checkpoint(tmp_path)
    files = [path, *sorted((tmp_path / "checkpoints" / "segments").iterdir())]
    contents = [file.read_bytes() for file in files]
    random = np.random.default_rng(0)
    tried = 0
    while tried < count:
        number = 0 if tried % 2 else int(random.integers(1, len(files)))
        damaged = random_damage(contents[number], random)
        if damaged == contents[number]:
            continue
        tried += 1
        files[number].write_bytes(damaged)
        with pytest.raises(UserError, match="not a readable checkpoint"):
            load_state(path)
        files[number].write_bytes(contents[number])
    assert load_state(path)["n"] == SMALL_STATE["n"]


def save_small_checkpoint(run_dir):
    rows = Rows("rows", np.arange(64, dtype=np.uint8).reshape(16, 4), 16, 16)
    directory = CheckpointDirectory(run_dir, None, None, about={"settings": {"seed": 1}})
    return directory.save_checkpoint(1, SMALL_STATE | {"rows": rows})


# Files that were made to harm


class Bomb:
    """Unpickling one makes a directory."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def npy(array, allow_pickle=False):
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(array), allow_pickle=allow_pickle)
    return file.getvalue()


def write_archive(path, structure, **members):
    if not isinstance(structure, bytes):
        text = structure if isinstance(structure, str) else json.dumps(structure)
        structure = npy(np.frombuffer(text.encode(), np.uint8))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("structure.json.npy", structure)
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)


def test_loading_a_file_that_bears_a_pickle_cannot_run_code(tmp_path):
    path, crater = tmp_path / "state.npz", tmp_path / "crater"
    bomb = npy(np.array([Bomb(crater)], dtype=object), allow_pickle=True)

    def load_and_expect_nothing():
        with pytest.raises(UserError, match="not a readable checkpoint"):
            load_state(path)
        assert not crater.exists()

    for structure in ({"array": "array_0"}, {"tensor": "array_0"}, bomb):
        write_archive(path, structure, array_0=bomb)
        load_and_expect_nothing()
    path.write_bytes(pickle.dumps(Bomb(crater)))
    load_and_expect_nothing()
    torch.save(Bomb(crater), path)
    load_and_expect_nothing()
    path.write_bytes(bomb)
    load_and_expect_nothing()
    np.load(io.BytesIO(bomb), allow_pickle=True)
    assert crater.exists()  # the bomb was live


@pytest.mark.parametrize(
    "structure",
    [
        {"list": [{"array": "array_9"}]},
        {"array": 0},
        {"array": "../array_0"},
        {"unknown kind": 1},
        {"list": [], "tuple": []},
        {},
        {"dict": 5},
        {"dict": [["a"]]},
        {"dict": [[{"list": []}, 1]]},
        '{"list": ',
        '{"list":[' * 100_000 + "]}" * 100_000,
    ],
    ids=lambda structure: str(structure)[:30],
)
def test_a_structure_that_makes_no_sense_is_a_user_error(tmp_path, structure):
    write_archive(tmp_path / "state.npz", structure, array_0=npy(np.zeros(2)))
    with pytest.raises(UserError, match="not a readable checkpoint"):
        load_state(tmp_path / "state.npz")


@pytest.mark.parametrize(
    "member",
    [b"", b"plain text", npy(np.zeros(2)).replace(b"(2,), }" + b" " * 13, b"(99999999999999,), }")],
    ids=["empty", "text", "larger than any memory"],
)
def test_a_member_that_is_no_array_is_a_user_error(tmp_path, member):
    write_archive(tmp_path / "state.npz", {"array": "array_0"}, array_0=member)
    with pytest.raises(UserError, match="not a readable checkpoint"):
        load_state(tmp_path / "state.npz")


# A run's directory of states


def test_only_the_last_two_checkpoints_are_kept_and_all_snapshots(tmp_path):
    directory = CheckpointDirectory(tmp_path, checkpoint_interval=10, snapshot_interval=10)
    for step in (5, 99, 100, 1_000_000):
        path = directory.save_checkpoint(step, {"step": step})
        assert load_state(path) == {"step": step}
        assert load_state(directory.save_snapshot(step, {"weights": step})) == {"weights": step}
    found = [load_state(path)["step"] for path in list_states(tmp_path / "checkpoints")]
    assert found == [100, 1_000_000]
    found = [load_state(path)["weights"] for path in list_states(tmp_path / "snapshots")]
    assert found == [5, 99, 100, 1_000_000]
    assert load_state(latest_state(tmp_path / "checkpoints")) == {"step": 1_000_000}


def test_a_checkpoint_that_cannot_be_written_costs_no_older_one(tmp_path):
    directory = CheckpointDirectory(tmp_path, None, None)
    for step in (1, 2):
        directory.save_checkpoint(step, {"step": step})
    with pytest.raises(TypeError):
        directory.save_checkpoint(3, {"step": object()})
    assert [load_state(path)["step"] for path in list_states(tmp_path / "checkpoints")] == [1, 2]


def test_saving_twice_at_one_step_keeps_the_older_steps_checkpoint(tmp_path):
    directory = CheckpointDirectory(tmp_path, None, None)
    for step, value in ((1, "a"), (2, "b"), (2, "c")):
        directory.save_checkpoint(step, value)
    assert [load_state(path) for path in list_states(tmp_path / "checkpoints")] == ["a", "c"]


def test_the_checkpoint_with_the_best_evaluation_is_kept_besides(tmp_path):
    directory = CheckpointDirectory(tmp_path, None, None)
    scores = [1.0, 5.0, None, np.nan, 4.0, 5.0, 2.0, None]
    kept = []
    for step, score in enumerate(scores):
        directory.save_checkpoint(step, {"step": step}, score)
        kept.append([step_of(path) for path in list_states(tmp_path / "checkpoints")])
    assert kept[:4] == [[0], [0, 1], [1, 2], [1, 2, 3]]
    assert kept[-1] == [1, 6, 7]
    assert best_state(tmp_path / "checkpoints").name == "step_000000000001.npz"


def test_what_is_newer_than_the_checkpoint_that_could_be_read_is_put_aside(tmp_path):
    directory = CheckpointDirectory(tmp_path, None, None)
    for step in (1, 2, 3):
        directory.save_checkpoint(step, {"step": step})
    directory.put_aside_after(2)
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["step_000000000002.npz", "step_000000000003.npz.damaged"]


def test_what_a_state_says_about_itself_is_read_without_its_arrays(tmp_path):
    path = tmp_path / "state.npz"
    save_state(path, np.zeros(9), about={"settings": {"a": [1, None]}})
    assert read_about(path) == {"settings": {"a": [1, None]}}
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(UserError, match="not a readable checkpoint"):
        read_about(path)


def test_an_older_file_without_a_checksum_of_its_own_can_be_read(tmp_path):
    write_archive(tmp_path / "old.npz", {"list": [1, {"array": "array_0"}]}, array_0=npy([2, 3]))
    assert_equal(load_state(tmp_path / "old.npz"), [1, np.array([2, 3])])
    write_archive(tmp_path / "new.npz", {"format": 3, "state": 1})
    with pytest.raises(UserError, match="its format is 3, this program's 2"):
        load_state(tmp_path / "new.npz")


def save_until_killed(run_dir, fatal_call):
    """In a process of its own: save five checkpoints, and die before a call of the system."""
    pid = os.fork()
    if pid == 0:
        calls = 0

        def audit(event, arguments):
            nonlocal calls
            if event in ("open", "os.rename", "os.remove", "os.truncate", "os.mkdir"):
                calls += 1
                if calls == fatal_call:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(audit)
        directory = CheckpointDirectory(run_dir, None, None)
        for step in range(5):
            directory.save_checkpoint(step, ring_state(step), score=-abs(step - 1.0))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def ring_state(step):
    """A ring of 8 rows after 3 rows a step, the first of which is its number."""
    count = 3 * (step + 1)
    ring = np.zeros((8, 4), np.uint8)
    for number in range(count):
        ring[number % 8, :4] = number + 1
    return {"step": step, "ring": Rows("ring", ring[: min(count, 8)], 8, count)}


def test_a_kill_at_any_call_while_saving_costs_no_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(segments, "SEGMENT_BYTES", 8)  # two rows
    statuses, last_steps = [], []
    for fatal_call in range(1, 400):
        run_dir = tmp_path / str(fatal_call)
        statuses.append(save_until_killed(run_dir, fatal_call))
        states = list_states(run_dir / "checkpoints")
        for path in states:
            state = load_state(path)  # all that are there can be read
            expected = ring_state(state["step"])
            memory = np.empty_like(expected["ring"].array)
            state["ring"].read_into(memory)
            np.testing.assert_array_equal(memory, expected["ring"].array)
        last_steps.append(step_of(states[-1]) if states else -1)
        if states:  # the next session clears up
            directory = CheckpointDirectory(run_dir, None, None)
            directory.save_checkpoint(9, ring_state(9))
            left = {path.name for path in run_dir.glob("checkpoints/**/*") if path.is_file()}
            assert not [name for name in left if "unfinished" in name]
            needed = {
                f"{digest}.segment"
                for path in list_states(run_dir / "checkpoints")
                for digest in segments_of(path)
            }
            assert {name for name in left if name.endswith(".segment")} == needed
        shutil.rmtree(run_dir, ignore_errors=True)
        if statuses[-1] == 0:
            break
    assert statuses[-1] == 0
    assert set(statuses[:-1]) == {-signal.SIGKILL}
    assert last_steps == sorted(last_steps)
    assert set(last_steps) == {-1, 0, 1, 2, 3, 4}


def test_an_unfinished_file_is_no_checkpoint(tmp_path):
    save_state(tmp_path / "step_000000000001.npz", 1)
    (tmp_path / "step_000000000002.npz.unfinished").write_bytes(b"half")
    assert load_state(latest_state(tmp_path)) == 1


def test_a_directory_without_states_is_named(tmp_path):
    for directory in (tmp_path, tmp_path / "missing"):
        with pytest.raises(UserError, match=str(directory)):
            latest_state(directory)


def test_a_restored_directory_goes_on_with_its_intervals(tmp_path):
    directory, restored = (CheckpointDirectory(tmp_path, 10, 100) for _ in range(2))
    assert directory.checkpoint_interval.crossed(25)
    assert not directory.snapshot_interval.crossed(25)
    restored.load_state_dict(directory.state_dict())
    assert not restored.checkpoint_interval.crossed(29)
    assert restored.checkpoint_interval.crossed(30)
    assert restored.snapshot_interval.crossed(100)
