"""Signals: the first asks, the second interrupts, and afterwards all is as before."""

import os
import signal
import threading

import pytest

from hw.infrastructure.graceful_stop import SIGNALS, GracefulStop


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_asks_and_the_second_interrupts(number):
    before = [signal.getsignal(each) for each in SIGNALS]
    stop = GracefulStop()
    with stop:
        assert not stop.is_requested
        os.kill(os.getpid(), number)
        assert stop.is_requested
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert [signal.getsignal(each) for each in SIGNALS] == before


def test_it_can_be_used_again():
    stop = GracefulStop()
    for _ in range(2):
        with stop:
            assert not stop.is_requested
            os.kill(os.getpid(), signal.SIGINT)
            assert stop.is_requested


def test_outside_the_main_thread_it_does_nothing():
    errors = []

    def use():
        try:
            with GracefulStop() as stop:
                assert not stop.is_requested
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert errors == []
