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
import hashlib
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from runner.core import device as devices
from runner.core.captured import ASKED
from runner.core.errors import Diverged, OptrunError
from runner.core.parts import OnDevice
from runner.core.precision import ROUNDED
from runner.core.rows import Rows, RowsDiverged
from runner.loss.base import Loss
from runner.run import Material, Run
from runner.state import State
from runner.store.base import write_whole

ROUNDS = 4  # of measuring; the shortest counts
MOST_ROUNDS = 20  # on a machine that is busy with something else
STEADY = 1.1  # within which two times agree
HOPELESS = 2.0  # times as slow as one by one, with which measuring ends: it would be the longest part of a small sweep
PAYS = 1.05  # how many times as fast a group must be: nearer to 1, the measurement's own error would decide
REMEMBERED = 1000  # measurements, some 100 kB
SHARE = 0.25  # of the device's free memory that the groups of all workers may take


def program(run: Run) -> tuple[Any, ...] | None:
    """What runs must have in common to train side by side; None where this one trains alone.

    Alone train: rules that ask for more than gradients (torch's classes), stop rules that go by the clock, probes that
    look at steps, penalties of which a row depends on its neighbours by rounding; runs in a rounded precision or on
    Apple's GPUs, where none of this was ever tried; and, found later, data that are read from the disk as needed.
    """
    rule = run.optimizer
    if run.precision in ROUNDED or "mps" in (run.device, run.device == "auto" and devices.available()[-1]):
        return None
    if rule.gradients == "freely" or run.stop.timed or run.probe.follows or not run.regularizer.in_rows:
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


def verdict(run: Run, m: Material, count: int) -> Verdict:
    """Whether `count` runs like this one train faster side by side, as measured once on this machine."""
    if not isinstance(m.train, OnDevice):
        return Verdict(False, "the examples are read from the disk as they are needed")
    where = f"{platform.node()} {devices.describe(m.device)}"
    key = f"{count} {key_of(run)} {m.data_sha256[:16]} torch {torch.__version__} {where}"
    seen = remembered()
    if key not in seen:
        try:
            seen[key] = measured(run, m, count)
        except (Diverged, RowsDiverged):
            return Verdict(True, "not measured, since it diverges at once")
        remember(seen)
    alone, together = seen[key]
    words = f"a gradient takes {1e6 * together:.0f} us with {count} side by side, {1e6 * alone:.0f} alone"
    return Verdict(alone / together >= PAYS, words)


def key_of(run: Run) -> str:
    """The program of a run, in short."""
    return hashlib.sha256(repr(program(run)).encode()).hexdigest()[:16]


def memory() -> Path:
    """Where measurements are kept, so that the same sweep is trained the same way again: the two ways round apart."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "optrun" / "side_by_side.json"


def remembered() -> dict[str, tuple[float, float]]:
    """The measurements so far; none where the file is damaged."""
    try:
        kept = json.loads(memory().read_text(encoding="utf-8"))
        return {str(key): (float(alone), float(together)) for key, (alone, together) in kept.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def remember(seen: dict[str, tuple[float, float]]) -> None:
    """Keep the newest measurements; where that is not allowed, they are taken again next time."""
    newest = dict(list(seen.items())[-REMEMBERED:])
    try:
        memory().parent.mkdir(parents=True, exist_ok=True)
        write_whole(memory(), json.dumps(newest, indent=1).encode())
    except (OSError, OptrunError):
        pass


def measured(run: Run, m: Material, count: int) -> tuple[float, float]:
    """Seconds for the gradient of one run: alone, and in such company."""
    x, y = m.train.rows(torch.arange(run.sampler.size(len(m.train))))
    rows = Rows([m.objective] * count, [run.loss] * count)
    theta = torch.stack([m.theta] * count)
    rows.on(torch.stack([x] * count), torch.stack([y] * count), [None] * count)
    kept = {name: buffer.clone() for name, buffer in m.objective.buffers.items()}
    m.objective.on(x, y)

    def one() -> object:
        return m.objective.value_and_grad(m.theta)

    def company() -> object:
        return rows.value_and_grad(theta)

    for captures, ask in ((m.objective.captures, one), (rows.captures, company)):
        if captures is not None:  # as training will do, once it has asked long enough
            captures.worth_s = 0.0
            for _ in range(ASKED + 1):
                ask()
    alone, together = in_turns(one, company, count)
    for name, buffer in m.objective.buffers.items():
        buffer.copy_(kept[name])
    return alone, together / count


def in_turns(alone: Callable[[], object], together: Callable[[], object], count: int) -> tuple[float, float]:
    """Seconds of the shortest round of each, turn by turn, after one to warm up.

    On a machine that others use too, rounds are added until the two shortest of each agree. Where side by side is out
    of the question, the first rounds are enough.
    """
    ones, others = [timed(alone)], [timed(together)]
    while len(ones) <= ROUNDS or (len(ones) <= MOST_ROUNDS and not (steady(ones[1:]) and steady(others[1:]))):
        ones.append(timed(alone))
        others.append(timed(together))
        if min(others) > HOPELESS * count * min(ones):
            break
    return min(ones), min(others)


def timed(ask: Callable[[], object]) -> float:
    """The seconds that something takes."""
    begun = time.perf_counter()
    ask()
    return time.perf_counter() - begun


def steady(seconds: list[float]) -> bool:
    """Whether the two shortest of some times agree."""
    first, second = sorted(seconds)[:2]
    return second <= STEADY * first


def most(run: Run, m: Material, workers: int) -> int:
    """How many such runs fit into the memory that is free, beside the groups of the other workers."""
    return max(1, int(SHARE * devices.free(m.device) / workers / bytes_of(run, m)))


def bytes_of(run: Run, m: Material) -> int:
    """What a run takes in a group: its vectors, and what a forward pass keeps for the backward pass; twice, for both
    the program and the run have theirs, and gradients are as large as what they are of."""
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    x, y = m.train.rows(torch.arange(run.sampler.size(len(m.train))))
    buffers = {name: buffer.clone() for name, buffer in m.objective.buffers.items()}
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        run.loss.value(m.module(x), y)
    for name, buffer in m.objective.buffers.items():
        buffer.copy_(buffers[name])
    return 2 * State.fresh(run, m).size + 2 * sum(kept.values())
