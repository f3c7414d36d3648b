"""The way that a run went, step by step: trained again in memory, from its own configuration.

A run folder keeps its two newest commits, not the way to them. Training is exact to the bit, so the way can be gone
again: it costs what the training cost, writes nothing, and ends with parameters that must be those of the newest
commit. Where they are not, by another machine or version, nothing is shown.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from runner.core.errors import CorruptError
from runner.core.signals import Signals
from runner.lanes import Group, Lane
from runner.run import Material, Run
from runner.screen.base import Silent
from runner.state import moved
from runner.store.base import Row
from runner.train import train


class Arrived(Exception):
    """The last step that is wanted was made."""


@dataclass
class Way:
    """A run folder in memory, to which a run commits after the wanted steps alone.

    wanted  the steps after which to note where it is; the last one ends it
    points  what was noted: step -> theta `[P]` as it is judged
    theta   after the last step, as it is
    """

    run: Run
    m: Material
    path: Path
    wanted: Collection[int]

    def __post_init__(self) -> None:
        self.rows: list[Row] = []
        self.restored: dict[str, Any] | None = None
        self.elapsed_s = 0.0  # a limit of seconds ended the run at the step that is the last one here
        self.last = max(self.wanted)
        self.points: dict[int, Tensor] = {}
        self.theta = self.m.theta

    def expect(self, size: int) -> None:
        return

    def pulse(self, signals: Signals) -> Beat:
        return Beat(self.wanted, signals)

    def append(self, row: Row, epoch_s: float, examples: int) -> None:
        self.rows.append(row)

    def commit(self, content: dict[str, Any]) -> None:
        theta = content["theta"].clone()
        self.points[content["step"]] = judged(self.run, self.m, theta, content["memory"])
        if content["step"] == self.last:
            self.theta = theta
            raise Arrived

    def sync(self) -> None:
        return

    def tell(self) -> None:
        return

    def conclude(self, summary: dict[str, Any]) -> None:
        return


@dataclass(frozen=True)
class Beat:
    """A look up after every wanted step, at which a commit is due."""

    wanted: Collection[int]
    signals: Signals

    def starts(self) -> None:
        return

    def beats(self, step: int) -> bool:
        return step in self.wanted or bool(self.signals.received)

    def seen(self) -> tuple[int, bool]:
        return self.signals.received, True


def judged(run: Run, m: Material, theta: Tensor, memory: Mapping[str, Any]) -> Tensor:
    """What a run is judged by at `theta [P]`, a copy that is its own, given what it saves of its memory."""
    restored = run.optimizer.restored(run.optimizer.start(theta, m.layout), moved(memory, theta.device))
    return run.optimizer.eval_theta(theta, restored).clone()


def replayed(
    run: Run, m: Material, path: Path, wanted: Collection[int], together: bool, saved: Tensor
) -> dict[int, Tensor]:
    """Step -> theta `[P]` as it was judged after these steps, of which the last is that of the commit.

    wanted    from 1
    together  whether the run went through the program of runs side by side
    saved     theta in that commit

    Raises `CorruptError` where the way does not end there, to the bit.
    """
    way = Way(run, m, path, frozenset(wanted))
    m.settle()
    try:
        if together:
            side_by_side(Lane.of(run, m, way, Silent()))
        else:
            train(run, m, way, Silent())
    except Arrived:
        pass
    if not torch.equal(way.theta.cpu(), saved.cpu()):
        raise CorruptError(
            f"{path}: trained again, it does not come to the parameters of its checkpoint after {way.last} steps; "
            "the machine, the versions or the number of processes are others than those that trained it "
            "(manifest.json). points=2 shows its two ends, without training"
        )
    return way.points


def side_by_side(lane: Lane) -> None:
    """Train one run as a row by itself, which commits after every wanted step: who lies beside it changes no bit.

    Raises `Arrived`.
    """
    group: Group | None = Group([lane])
    while group is not None:
        closed = group.turn()
        if closed is not None:
            group, _ = closed
        elif lane.folder.pulse(Signals()).beats(group.step):
            group.sync()
            lane.commit()
