"""Small networks take one thread, unless OMP_NUM_THREADS says otherwise."""

import pytest
import torch

from hw.env_configs.loading import bind
from hw.env_configs.threads import choose_threads

SMALL = {"base_config": "sac", "env_name": "Pendulum-v1", "total_steps": 20_000}


@pytest.fixture(autouse=True)
def two_threads(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"hidden_size": 64, "batch_size": 128}, 1),
        ({"hidden_size": 128, "batch_size": 128, "num_critic_networks": 1}, 1),
        ({"hidden_size": 128, "batch_size": 128, "num_critic_networks": 2}, 2),
        ({"hidden_size": 256, "batch_size": 256}, 2),
        ({"hidden_size": 512, "batch_size": 32}, 2),
    ],
)
def test_the_work_of_a_layer_decides(settings, expected):
    choose_threads(bind(SMALL | settings))
    assert torch.get_num_threads() == expected


def test_the_environment_variable_decides_before_us(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    choose_threads(bind(SMALL | {"hidden_size": 64, "batch_size": 64}))
    assert torch.get_num_threads() == 2
