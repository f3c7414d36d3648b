"""Which runs of a sweep can share a program, how many at a time, and whether it pays.

Runs share a program where everything that shapes it is the same: data, sampler, network, loss, precision, device. What
is left may differ: learning rate, schedule, stop rule, seed, initial weights, strength of a penalty, rate of dropout,
label smoothing, and the optimizer where it asks for no more than the gradient at theta.

Whether it pays is measured: the same gradients, one by one and side by side, before the first step. On a small network
the cost of a step is that of starting some fifty operations, which K runs share; on a large one it is arithmetic, of
which there is as much as before.
"""

from __future__ import annotations

import dataclasses
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from runner.core.errors import Diverged
from runner.core.rows import Rows, RowsDiverged
from runner.lanes import Lane
from runner.loss.base import Loss
from runner.run import InMemory, Run

LANES = 32  # at most, unless the user says otherwise; with 128 a step of one is no shorter than with 32
ROUNDS = 3  # of measuring; the shortest counts
PAYS = 1.05  # how many times as fast a group must be: nearer to 1, the measurement's own error would decide
SHARE = 0.25  # of the free memory that the groups of all workers may take


def program(run: Run) -> tuple[Any, ...] | None:
    """What runs must have in common to train side by side; None where this one trains alone.

    Alone train: rules that ask for more than gradients (torch's classes), stop rules that go by the clock, data that
    are read from the disk as they are needed.
    """
    rule = run.optimizer
    if rule.gradients == "freely" or run.stop.timed:
        return None
    if rule.gradients == "elsewhere" and not rule.rates_in_rows:
        return None
    elsewhere = rule if rule.gradients == "elsewhere" else None
    common = (run.dataset, run.preprocess, run.sampler, run.architecture.program, shape(run.loss))
    return (*common, elsewhere, run.precision, run.device, run.threads)


def shape(loss: Loss) -> tuple[Any, ...]:
    """A loss without its numbers, in which runs may differ: each is judged by its own."""
    values = ((field.name, getattr(loss, field.name)) for field in dataclasses.fields(loss))
    return (type(loss), *((name, value) for name, value in values if not isinstance(value, float)))


@dataclass(frozen=True)
class Verdict:
    """Whether runs train side by side, and why in a few words."""

    together: bool
    words: str


def verdict(lanes: Sequence[Lane]) -> Verdict:
    """Measure a gradient of every lane, one by one and side by side. Changes nothing of them."""
    if not isinstance(lanes[0].m.train, InMemory):
        return Verdict(False, "the examples are read from the disk as they are needed")
    try:
        alone, together = measured(lanes)
    except (Diverged, RowsDiverged):
        return Verdict(True, "not measured, since a run diverges at once")
    how = f"{len(lanes)} side by side take {1e6 * together:.0f} us for a gradient, one by one {1e6 * alone:.0f}"
    return Verdict(alone / together >= PAYS, how)


def most(lane: Lane, workers: int) -> int:
    """How many such runs fit into the memory that is free, beside the groups of the other workers."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(1, int(SHARE * free / workers / bytes_of(lane)))


def bytes_of(lane: Lane) -> int:
    """What a run takes in a group: its vectors, and twice what a forward pass keeps for the backward pass."""
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    m = lane.m
    x, y = m.train.rows(torch.arange(lane.run.sampler.size(len(m.train))))
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        lane.run.loss.value(m.module(x), y)
    return 2 * lane.at.size + 2 * sum(kept.values())


def measured(lanes: Sequence[Lane]) -> tuple[float, float]:
    """Seconds for the gradient of one run: alone, and in the company of all."""
    one = lanes[0]
    size = one.run.sampler.size(len(one.m.train))
    x, y = one.m.train.rows(torch.arange(size))
    rows = Rows([lane.m.objective for lane in lanes], [lane.run.loss for lane in lanes])
    theta = torch.stack([lane.at.theta for lane in lanes])
    rows.on(torch.stack([x] * len(lanes)), torch.stack([y] * len(lanes)), [None] * len(lanes))
    objective = one.m.objective
    kept = {name: buffer.clone() for name, buffer in objective.buffers.items()}
    objective.on(x, y)
    alone = shortest(lambda: objective.value_and_grad(one.at.theta))
    together = shortest(lambda: rows.value_and_grad(theta), hopeless=2 * alone * len(lanes))
    for name, buffer in objective.buffers.items():
        buffer.copy_(kept[name])
    return alone, together / len(lanes)


def shortest(ask: Callable[[], object], hopeless: float = math.inf) -> float:
    """Seconds of the shortest of some rounds, after one to warm up; which is enough where it is `hopeless` or more."""
    found: list[float] = []
    while len(found) <= ROUNDS and not (found and found[0] >= hopeless):
        begun = time.perf_counter()
        ask()
        found.append(time.perf_counter() - begun)
    return min(found)
