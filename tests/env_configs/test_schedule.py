"""Schedules by hand, and as the straight lines that they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.agents.base_agent import BaseAgent
from hw.env_configs.assemble import make_trainer
from hw.env_configs.loading import bind
from hw.env_configs.schedule import ConstantSchedule, PiecewiseSchedule, linear_schedule

values = st.floats(-1e3, 1e3)
point_lists = st.dictionaries(st.integers(0, 10**7), values, min_size=1, max_size=6).map(
    lambda points: sorted(points.items())
)


@given(value=values, step=st.integers(0, 10**9))
def test_a_constant_is_the_same_at_every_step(value, step):
    assert ConstantSchedule(value)(step) == value


def test_a_linear_schedule_by_hand():
    schedule = linear_schedule(start=1.0, end=0.0, num_steps=200)
    assert [schedule(step) for step in (0, 50, 100, 200)] == [1.0, 0.75, 0.5, 0.0]
    later = linear_schedule(start=1.0, end=0.0, num_steps=200, first_step=50)
    assert [later(step) for step in (0, 50, 100, 200, 250)] == [1.0, 1.0, 0.75, 0.25, 0.0]


@given(start=values, end=values, num_steps=st.integers(1, 10**7), late=st.integers(0, 10**9))
def test_a_linear_schedule_stays_at_its_end(start, end, num_steps, late):
    schedule = linear_schedule(start, end, num_steps)
    assert schedule(0) == start
    assert schedule(num_steps + late) == end


def test_a_piecewise_schedule_by_hand():
    """Epsilon in DQN: down to 0.02 in two pieces, from a list as YAML gives it."""
    schedule = PiecewiseSchedule([[100, 1.0], [300, 0.5], [1300, 0.0]])
    found = [schedule(step) for step in (0, 100, 200, 300, 800, 1300, 10**9)]
    assert found == [1.0, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0]


@given(points=point_lists)
def test_a_schedule_goes_through_its_points_and_is_constant_outside(points):
    schedule = PiecewiseSchedule(points)
    for step, value in points:
        assert schedule(step) == value
    assert schedule(points[0][0] - 1) == points[0][1]
    assert schedule(points[-1][0] + 1) == points[-1][1]


@given(points=point_lists, fraction=st.floats(0.0, 1.0))
def test_a_schedule_is_linear_between_its_points(points, fraction):
    schedule = PiecewiseSchedule(points)
    for (step, value), (next_step, next_value) in zip(points[:-1], points[1:], strict=True):
        between = round(step + fraction * (next_step - step))
        weight = (between - step) / (next_step - step)
        expected = (1 - weight) * value + weight * next_value
        assert schedule(between) == pytest.approx(expected, abs=1e-6)
        assert isinstance(schedule(between), float)


@pytest.mark.parametrize(
    "points", [[], [(5, 1.0), (5, 2.0)], [(5, 1.0), (4, 2.0)], [(0, 1.0), (9, 1.0), (3, 0.0)]]
)
def test_steps_that_do_not_increase_are_refused(points):
    with pytest.raises(ValueError, match="must increase"):
        PiecewiseSchedule(points)


def test_a_linear_schedule_of_no_steps_is_refused():
    with pytest.raises(ValueError, match="must increase"):
        linear_schedule(1.0, 0.0, num_steps=0)


@pytest.mark.parametrize("settings", [{"rollout_length": 25, "batch_size": 25}, {"batch_size": 25}])
def test_every_on_policy_update_learns_something(settings, tmp_path, monkeypatch):
    """The first at the full rate, the last at what is left before the end."""
    algorithm = "ppo" if "rollout_length" in settings else "pg"
    config = bind(
        {
            "base_config": algorithm,
            "env_name": "CartPole-v1",
            "max_episode_steps": 5,
            "num_envs": 1,
            "total_steps": 100,
            "learning_rate_schedule": "linear",
            "compile": False,
            **settings,
        }
    )
    factors = []
    monkeypatch.setattr(
        BaseAgent, "set_learning_rates", lambda self, factor: factors.append(factor)
    )
    make_trainer(config, tmp_path, show_progress=False).train()
    assert factors == [1.0, 0.75, 0.5, 0.25]
