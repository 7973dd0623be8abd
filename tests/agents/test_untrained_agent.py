"""An agent that learns nothing acts as it is told and reports what it was handed."""

import numpy as np
import pytest
import torch

from hw.agents.untrained_agent import UntrainedAgent


def test_it_asks_for_as_many_actions_as_there_are_observations():
    asked = []

    def choose(num_actions):
        asked.append(num_actions)
        assert not torch.is_grad_enabled()  # `act` is always called without
        return torch.arange(2.0 * num_actions).reshape(num_actions, 2)

    agent = UntrainedAgent((3,), choose_actions=choose)
    assert agent.get_action(np.zeros(3)).tolist() == [0.0, 1.0]
    actions = agent.get_action(np.zeros((2, 3)), step=5, deterministic=True)
    assert actions.tolist() == [[0.0, 1.0], [2.0, 3.0]]
    assert asked == [1, 2]


def test_discrete_actions_match_too():
    agent = UntrainedAgent((), choose_actions=lambda n: torch.full((n,), 4))
    assert agent.get_action(np.array(0.5)).shape == ()
    assert agent.get_action(np.zeros(3)).tolist() == [4, 4, 4]


@pytest.mark.parametrize("dones_type", [torch.bool, torch.float32])
def test_it_reports_the_batch_and_stays_as_it_is(dones_type):
    agent = UntrainedAgent((2,), choose_actions=torch.zeros)
    observations = torch.arange(8.0).reshape(4, 2)
    metrics = agent.update(
        observations,
        torch.zeros(4),
        torch.tensor([1.0, 2.0, 3.0, 6.0]),
        observations + 100,
        torch.tensor([1, 0, 0, 0]).to(dones_type),
        step=3,
        weights=torch.rand(4),
    )
    assert {name: value.tolist() for name, value in metrics.items()} == {
        "batch/reward_mean": 3.0,
        "batch/done_mean": 0.25,
        "batch/rewards": [1.0, 2.0, 3.0, 6.0],
        "batch/observations": list(range(8)),
    }
    assert agent.collects == "transitions"
    assert list(agent.parameters()) == []
    assert agent.optimizers() == {}
    assert agent.gradient_norms() == {}


def test_its_state_can_be_saved_and_restored(tmp_path):
    agent = UntrainedAgent((2,), choose_actions=torch.zeros)
    agent.save(tmp_path / "agent.npz")
    agent.load(tmp_path / "agent.npz")
    agent.load_weights(agent.weights())
    assert agent.weights() == {}
