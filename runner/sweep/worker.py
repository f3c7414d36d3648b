"""A worker: a process that trains the groups which come in, and reports every run as it ends.

It lives as long as the process that started it: a thread of it waits at the pipe through which the groups come, and
ends the process when there is nobody at the other end any more, as after `kill -9`. What the process is at then is as
safe as at any other kill.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from types import FrameType

import torch

from runner.core.errors import DiskError, Interrupted
from runner.core.signals import HEEDED, MEANT
from runner.run import Shared
from runner.sweep.group import Manner, Outcome, Task, train_group

LOOK_S = 0.2  # between two looks of a worker that has nothing to do
ORPHANED = 1  # the exit code, which nobody reads

Order = tuple[int, ...] | None  # the numbers of the jobs of a group; None: there is no more
Report = Outcome | DiskError


def work(tasks: Mapping[int, Task], manner: Manner, pipe: Connection, others: Iterable[Connection]) -> None:
    """Train the groups that `pipe` names until it says that there are no more, or a signal comes."""
    for other in others:
        other.close()  # the ends of the parent, which a forked process has too: its siblings would never see it die
    torch.set_num_threads(1)
    orders: SimpleQueue[Order] = SimpleQueue()
    # Before signals are heeded: a thread starts with what is held back, so that none of them ever comes to this one,
    # where it would not wake the one that has to heed it.
    threading.Thread(target=listen, args=(pipe, orders), daemon=True).start()
    heed()
    shared = Shared()
    try:
        try:
            while (numbers := awaited(orders)) is not None:
                for outcome in train_group([tasks[number] for number in numbers], manner, shared):
                    report(pipe, outcome)
        except DiskError as error:
            report(pipe, error)  # a sibling may have reported the same: then there is a signal on its way
        finally:
            signal.pthread_sigmask(signal.SIG_BLOCK, HEEDED)  # nothing is left to stop
    except Interrupted:
        signal.pthread_sigmask(signal.SIG_BLOCK, HEEDED)  # the folder of the run says so


def awaited(orders: SimpleQueue[Order]) -> Order:
    """The next order. It looks up now and then: a signal that comes just before a wait, or to a thread of a library, is
    heeded only after it."""
    while True:
        try:
            return orders.get(timeout=LOOK_S)
        except Empty:
            pass


def heed() -> None:
    """Heed signals from now on; whoever started this process held them back."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal; the parent passes it on
    for number in HEEDED:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupted)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HEEDED)


def interrupted(number: int, frame: FrameType | None) -> None:
    """A signal outside of training: before it or after it there is nothing to commit."""
    meant = MEANT.get(number, number)
    raise Interrupted(f"stopped by signal {meant}", meant)


def listen(pipe: Connection, orders: SimpleQueue[Order]) -> None:
    """Pass on what comes in; end the process when nobody is left to work for."""
    while True:
        try:
            orders.put(pipe.recv())
        except (EOFError, OSError):
            os._exit(ORPHANED)


def report(pipe: Connection, what: Report) -> None:
    """Send a report whole: a signal in the middle of it would leave half a message."""
    with held_back():
        pipe.send(what)


@contextmanager
def held_back() -> Iterator[None]:
    """Signals wait until this is over."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HEEDED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
