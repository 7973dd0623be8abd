"""Crossings of an interval, counted by hand."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.infrastructure.interval import Interval

increments = st.lists(st.integers(0, 30), min_size=1, max_size=40)


@given(period=st.integers(1, 20), increments=increments)
def test_a_call_reports_whether_a_multiple_lies_since_the_last(period, increments):
    interval, previous = Interval(period), 0
    for step in accumulate(increments):
        multiples = [n for n in range(previous + 1, step + 1) if n % period == 0]
        assert interval.crossed(step) == bool(multiples)
        previous = step


def test_multiples_are_not_missed_when_steps_come_several_at_a_time():
    interval = Interval(10)
    assert [step for step in range(3, 40, 3) if interval.crossed(step)] == [12, 21, 30]


def test_a_step_of_several_periods_is_due_once():
    interval = Interval(10)
    assert [interval.crossed(step) for step in (95, 99, 100)] == [True, False, True]


def test_step_zero_is_not_due():
    assert not Interval(10).crossed(0)


def test_no_period_means_never():
    interval = Interval(None)
    assert not any(interval.crossed(step) for step in range(100))


@pytest.mark.parametrize("period", [7, None])
@given(before=increments, after=increments)
def test_a_restored_interval_goes_on_like_the_original(period, before, after):
    interval, restored = Interval(period), Interval(period)
    steps = list(accumulate(before + after))
    for step in steps[: len(before)]:
        interval.crossed(step)
    restored.load_state_dict(interval.state_dict())
    for step in steps[len(before) :]:
        assert restored.crossed(step) == interval.crossed(step)
