"""The clock on a time that the test sets."""

import time

import pytest

from hw.infrastructure.clock import Clock


class FakeTime:
    def __init__(self, monkeypatch, now=1000.0):
        self.now = now
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)


@pytest.fixture
def fake_time(monkeypatch):
    return FakeTime(monkeypatch)


def test_time_before_the_start_does_not_count(fake_time):
    clock = Clock()
    fake_time.now += 50.0
    assert clock.seconds() == 0.0
    clock.start(step=0)
    fake_time.now += 3.0
    assert clock.seconds() == 3.0


def test_a_lap_gives_the_speed_since_the_last_one(fake_time):
    clock = Clock()
    clock.start(step=0)
    fake_time.now += 4.0
    assert clock.lap(step=100) == {"time/seconds": 4.0, "time/steps_per_second": 25.0}
    fake_time.now += 1.0
    assert clock.lap(step=110) == {"time/seconds": 5.0, "time/steps_per_second": 10.0}


def test_a_lap_of_no_time_is_no_division_by_zero(fake_time):
    clock = Clock()
    clock.start(step=0)
    assert clock.lap(step=0)["time/steps_per_second"] == 0.0
    assert clock.lap(step=5)["time/steps_per_second"] > 0.0


def test_a_resumed_run_adds_its_sessions_and_does_not_count_the_time_between(fake_time):
    clock = Clock()
    clock.start(step=0)
    fake_time.now += 10.0
    state = clock.state_dict()
    fake_time.now = 7.0  # another process, a day later: another zero

    resumed = Clock()
    resumed.load_state_dict(state)
    fake_time.now += 20.0
    assert resumed.seconds() == 10.0
    resumed.start(step=1000)
    fake_time.now += 2.0
    assert resumed.lap(step=1100) == {"time/seconds": 12.0, "time/steps_per_second": 50.0}
    assert resumed.state_dict() == {"seconds": 12.0}
