"""How much work an update is, counted rather than timed: operations, allocations, compilations."""

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from hw.env_configs.assemble import make_agent
from hw.env_configs.loading import bind
from hw.infrastructure import compiled_record

OFF_POLICY = {
    "sac": {"env_name": "Pendulum-v1", "actor_gradient_type": "reparametrize"},
    "td3": {"env_name": "Pendulum-v1"},
    "dqn": {"env_name": "CartPole-v1"},
}
# Calls of operations in two updates, and of those that allocate: measured, and a tenth more.
MOST_CALLS = {"sac": 1800, "td3": 935, "dqn": 775}
MOST_ALLOCATIONS = {"sac": 117, "td3": 63, "dqn": 51}
# The same of compiled updates, whose kernels are no operations; matrix products and noise are.
MOST_COMPILED_CALLS = {"sac": 160, "td3": 98, "dqn": 75}


@pytest.fixture(params=OFF_POLICY)
def algorithm(request):
    return request.param


def make(algorithm, is_compiled):
    """An agent, and a batch for it."""
    config = bind({"base_config": algorithm, "total_steps": 10**6, **OFF_POLICY[algorithm]})
    envs = config.recipe.envs.make_evaluation_envs(1)
    agent = make_agent(config, envs)
    agent.compiler.is_enabled = is_compiled
    (observation_size,), batch_size = envs.single_observation_space.shape, 64
    actions = torch.randint(2, (batch_size,)) if algorithm == "dqn" else torch.zeros(batch_size, 1)
    return agent, {
        "observations": torch.randn(batch_size, observation_size),
        "actions": actions,
        "rewards": torch.randn(batch_size),
        "next_observations": torch.randn(batch_size, observation_size),
        "dones": torch.zeros(batch_size, dtype=torch.bool),
    }


def count_calls(agent, batch):
    """Calls of operations in two updates, nested ones too, and of those that allocate."""
    for step in (1, 2, 3, 4):
        agent.update(**batch, step=step)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for step in (5, 6):
            agent.update(**batch, step=step)
    calls = [event for event in profiler.events() if event.name.startswith("aten::")]
    return len(calls), len([event for event in calls if event.name.startswith("aten::empty")])


def test_an_eager_update_makes_no_more_calls_than_it_did(algorithm):
    num_calls, num_allocations = count_calls(*make(algorithm, is_compiled=False))
    assert num_calls <= MOST_CALLS[algorithm]
    assert num_allocations <= MOST_ALLOCATIONS[algorithm]


@pytest.mark.parametrize(
    "algorithm",
    ["dqn", *(pytest.param(name, marks=pytest.mark.slow) for name in ("sac", "td3"))],
    indirect=True,
)
def test_a_compiled_update_makes_no_more_calls_than_it_did(algorithm, caplog):
    num_calls, _ = count_calls(*make(algorithm, is_compiled=True))
    assert num_calls <= MOST_COMPILED_CALLS[algorithm]
    assert "not compiled" not in caplog.text


def test_a_compiled_update_is_compiled_once_and_whole(algorithm, monkeypatch, caplog):
    """Gradient steps are graphs without breaks, SAC's are one, and none is compiled again."""
    graphs = []
    monkeypatch.setattr(
        compiled_record, "compile_graph", lambda graph, inputs: graphs.append(graph) or graph
    )
    agent, batch = make(algorithm, is_compiled=True)
    for step in range(1, 8):
        agent.update(**batch, step=step)
    num_graphs = len(graphs)
    assert num_graphs == {"sac": 1, "td3": 2, "dqn": 1}[algorithm]
    for step in range(8, 30):
        agent.update(**batch, step=step)
    assert len(graphs) == num_graphs
    assert "not compiled" not in caplog.text
