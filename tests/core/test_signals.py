"""Signals that ask a run to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from runner.core.errors import Interrupted
from runner.core.signals import HEEDED, PASSED_ON, Signals


@pytest.fixture(autouse=True)
def plain_handlers() -> Iterator[None]:
    """The handling of a program started from a shell, however the tests were started."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in HEEDED}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def handlers() -> list[object]:
    return [signal.getsignal(number) for number in HEEDED]


def test_the_ways_of_a_shell_and_of_a_batch_system_to_stop_a_program_are_heeded() -> None:
    assert [number.name for number in HEEDED] == ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"]


def test_without_a_signal_nothing_is_received() -> None:
    with Signals() as signals:
        assert signals.received == 0


@pytest.mark.parametrize("number", HEEDED)
def test_the_first_signal_is_noted_and_the_program_goes_on(number: signal.Signals) -> None:
    with Signals() as signals:
        signal.raise_signal(number)
        assert signals.received == (signal.SIGINT if number == signal.SIGUSR2 else number)


def test_a_ctrl_c_that_was_passed_on_is_one_and_a_second_one_stops_at_once() -> None:
    assert PASSED_ON == {signal.SIGINT: signal.SIGUSR2}
    with Signals() as signals:
        signal.raise_signal(signal.SIGUSR2)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGUSR2)
        assert signals.received == signal.SIGINT


def test_a_second_interrupt_stops_at_once() -> None:
    with Signals() as signals:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert signals.received == signal.SIGINT


def test_an_interrupt_after_another_signal_stops_at_once() -> None:
    with Signals() as signals:
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert signals.received == signal.SIGTERM


def test_a_later_signal_of_another_kind_changes_nothing() -> None:
    with Signals() as signals:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGHUP)
        assert signals.received == signal.SIGTERM


def test_the_handling_from_before_comes_back() -> None:
    before = handlers()
    with Signals():
        assert handlers() != before
    assert handlers() == before


def test_the_handling_from_before_comes_back_after_an_error() -> None:
    before = handlers()
    with pytest.raises(ZeroDivisionError), Signals():
        raise ZeroDivisionError
    assert handlers() == before


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with Signals() as signals:
        signal.raise_signal(signal.SIGHUP)
        assert signals.received == 0
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_outside_the_main_thread_the_handling_stays_as_it_is() -> None:
    before, seen = handlers(), []

    def elsewhere() -> None:
        with Signals() as signals:
            seen.append((handlers(), signals.received))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [(before, 0)]


def test_a_signal_that_nobody_heeded_is_remembered_until_the_next_time() -> None:
    with Signals():
        signal.raise_signal(signal.SIGUSR2)
    assert Signals.missed == signal.SIGINT
    with Signals():
        assert Signals.missed == 0
    assert Signals.missed == 0


def test_a_signal_that_was_heeded_is_not_missed_and_one_before_another_error_is() -> None:
    def signalled_before(error: Exception) -> None:
        with Signals():
            signal.raise_signal(signal.SIGTERM)
            raise error

    with pytest.raises(Interrupted):
        signalled_before(Interrupted("stopped by signal 15", 15))
    assert Signals.missed == 0
    with pytest.raises(ZeroDivisionError):
        signalled_before(ZeroDivisionError())
    assert Signals.missed == signal.SIGTERM


def test_who_only_has_to_say_how_it_ended_ignores_what_comes_afterwards() -> None:
    with Signals(last=True):
        with Signals() as inner:
            signal.raise_signal(signal.SIGTERM)
        assert inner.received == signal.SIGTERM
        assert signal.SIG_IGN not in handlers()
    assert handlers() == [signal.SIG_IGN] * len(HEEDED)
