"""A replay buffer with a mirror draws the very batches that it draws without, as tensors."""

import copy

import numpy as np
import pytest
import torch

import hw.infrastructure.pytorch_util as ptu
from hw.env_configs.assemble import make_trainer
from hw.env_configs.loading import bind
from hw.infrastructure.checkpoint import load_state, save_state
from hw.infrastructure.prioritized_replay import PrioritizedReplayBuffer
from hw.infrastructure.replay_buffer import ReplayBuffer

OBSERVATIONS = {
    "floats": np.random.default_rng(0).normal(size=(100, 3)),
    "a matrix": np.random.default_rng(0).normal(size=(100, 2, 2)).astype(np.float32),
    "bytes": np.random.default_rng(0).integers(256, size=(100, 3), dtype=np.uint8),
    "integers": np.random.default_rng(0).integers(10**12, size=(100, 2)),
}
ACTIONS = {
    "continuous": np.random.default_rng(1).normal(size=(100, 2)).astype(np.float32),
    "discrete": np.random.default_rng(1).integers(4, size=100),
}


def make_pair(make_buffer=ReplayBuffer, **arguments):
    """A buffer, and one that is equal but for its mirror."""
    plain, mirrored = make_buffer(7, 3, **arguments), make_buffer(7, 3, **arguments)
    mirrored.mirror_on_device()
    return plain, mirrored


def insert(buffers, start, num_lanes, observations, actions):
    rows = slice(start, start + num_lanes)
    numbers = np.arange(100)
    for buffer in buffers:
        buffer.insert(
            observations[rows],
            actions[rows],
            numbers[rows].astype(np.float32),
            observations[rows][::-1],
            numbers[rows] % 3 == 0,
            numbers[rows] % 4 == 0,
        )


def assert_same_batch(plain, mirrored, *arguments):
    expected, batch = plain.sample(5, *arguments), mirrored.sample(5, *arguments)
    assert batch.keys() == expected.keys()
    for name in ("observations", "actions", "rewards", "next_observations", "dones"):
        assert isinstance(batch[name], torch.Tensor)
    for name, values in expected.items():
        found = ptu.from_numpy(batch[name])
        assert found.dtype == torch.from_numpy(values).dtype, name
        assert found.is_contiguous()
        np.testing.assert_array_equal(found.numpy(), values)


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("observation", OBSERVATIONS)
@pytest.mark.parametrize("num_lanes", [1, 3, 10])
def test_a_mirrored_buffer_draws_the_same_batches(observation, action, num_lanes):
    """Also when a lane more than the buffer holds was inserted since the last batch."""
    pair = make_pair()
    for i in range(100 // num_lanes):
        insert(pair, i * num_lanes, num_lanes, OBSERVATIONS[observation], ACTIONS[action])
        if i % 4 == 0:
            assert_same_batch(*pair)


def test_prioritised_batches_are_the_same_with_their_weights():
    pair = make_pair(PrioritizedReplayBuffer, priority_exponent=0.6, priority_epsilon=1e-6)
    for i in range(30):
        insert(pair, i, 1, OBSERVATIONS["floats"], ACTIONS["continuous"])
        assert_same_batch(*pair, 0.4)
        for buffer in pair:
            buffer.update_priorities(np.arange(5.0) + i)


def test_images_and_several_steps_are_read_without_a_mirror():
    images = np.random.default_rng(0).integers(256, size=(100, 4, 4), dtype=np.uint8)
    for observations, arguments in ((images, {}), (OBSERVATIONS["floats"], {"n_step": 3})):
        _, mirrored = make_pair(**arguments)
        insert([mirrored], 0, 1, observations, ACTIONS["discrete"])
        insert([mirrored], 1, 1, observations, ACTIONS["discrete"])
        assert isinstance(mirrored.sample(2)["observations"], np.ndarray)


def test_a_loaded_buffer_and_a_copy_go_on_with_mirrors_of_their_own(tmp_path):
    pair = make_pair()
    for i in range(12):
        insert(pair, i, 1, OBSERVATIONS["floats"], ACTIONS["continuous"])
    assert_same_batch(*pair)
    save_state(tmp_path / "buffer.npz", pair[1].state_dict())
    loaded = make_pair()[1]
    loaded.load_state_dict(load_state(tmp_path / "buffer.npz"))
    assert_same_batch(copy.deepcopy(pair[0]), loaded)
    copies = copy.deepcopy(pair)
    for i in range(12, 20):
        insert(copies, i, 1, OBSERVATIONS["floats"], ACTIONS["continuous"])
    assert_same_batch(*pair)
    assert_same_batch(*copies)


def test_a_trainer_on_a_gpu_mirrors_its_replay_unless_it_normalises(monkeypatch, tmp_path):
    config = {"base_config": "sac", "env_name": "Pendulum-v1", "hidden_size": 8, "compile": False}
    normalized = config | {"wrappers": ["normalize_observation"]}
    monkeypatch.setattr("hw.env_configs.assemble.make_agent", FakeAgent)
    monkeypatch.setattr(ptu, "device", torch.device("meta"))
    for values, is_mirrored in ((config, True), (normalized, False)):
        with make_trainer(bind(values), tmp_path, show_progress=False) as trainer:
            assert trainer.buffer.is_mirrored is is_mirrored


class FakeAgent:
    """All of an agent that a trainer asks for at its start."""

    collects = "transitions"

    def __init__(self, *_):
        self.compiler = type("Compiler", (), {})()
