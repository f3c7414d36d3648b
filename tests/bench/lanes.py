"""The time of a step of runs side by side: `runner.lanes.train` against a plain PyTorch loop, and against runs alone.

side by side    32 learning rates, each run with its own order, rows, commits and test result, per run and step
plain loop      that of `tests.bench.step`, one run, which writes nothing
one by one      the same 32 runs, each through `runner.train.train`
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from runner import lanes
from runner.lanes import Lane
from runner.optimizer.momentum import Momentum
from runner.run import Run, prepare
from runner.screen.base import Silent
from runner.store.folder import RunFolder
from runner.sweep import fuse
from runner.train import columns, train
from tests.bench.step import OUTPUTS, Contest, Theirs
from tests.bench.turns import Comparison, in_turns

RUNS = 32
EPOCHS = 60  # in one turn, so that the end of a run weighs as it does in a usual one


class SideBySide:
    """A sweep over the learning rate, trained anew in every turn."""

    def __init__(self, run: Run, scratch: Path) -> None:
        self.runs = [replace(run, lr=run.lr * 10 ** (-1 + 2 * k / (RUNS - 1))) for k in range(RUNS)]
        self.ms = [prepare(run) for run in self.runs]
        self.starts = [m.theta.clone() for m in self.ms]
        self.scratch, self.number = scratch, 0
        self.count = RUNS * run.stop.limit * run.sampler.batches(len(self.ms[0].train))  # type: ignore[operator]

    def together(self) -> float:
        with ExitStack() as stack:
            company = []
            for run, m, folder in zip(self.runs, self.ms, self.folders(stack), strict=True):
                company.append(Lane.of(run, m, folder, Silent()))
            begun = time.perf_counter()
            for _ in lanes.train(company):
                pass
            return (time.perf_counter() - begun) / self.count

    def one_by_one(self) -> float:
        with ExitStack() as stack:
            folders = self.folders(stack)
            begun = time.perf_counter()
            for run, m, folder in zip(self.runs, self.ms, folders, strict=True):
                train(run, m, folder, Silent())
            return (time.perf_counter() - begun) / self.count

    def folders(self, stack: ExitStack) -> list[RunFolder]:
        """New folders, and every run at its start."""
        self.number += 1
        for m, start in zip(self.ms, self.starts, strict=True):
            m.theta.copy_(start)
        paths = (self.scratch / f"{self.number}_{k}" for k in range(RUNS))
        return [stack.enter_context(RunFolder.claim(path, "", {}, columns(self.runs[0]))) for path in paths]


def comparisons(seconds: float) -> Iterator[Comparison]:
    """Side by side against the plain loop and against one by one, in about so many seconds for each network."""
    for hidden, bound in (((32, 32), 0.35), ((128, 128), None)):
        run = Contest(hidden, Momentum(), 0.01, (), EPOCHS).run
        sizes = "-".join(map(str, (64, *hidden, 10)))
        with tempfile.TemporaryDirectory(prefix=".bench.", dir=OUTPUTS) as scratch:
            ours = SideBySide(run, Path(scratch))
            theirs = Theirs(run, partial(torch.optim.SGD, lr=0.01, momentum=0.9))
            sides = {"ours": ours.together, "plain": theirs.loop, "alone": ours.one_by_one}
            times = in_turns(sides, seconds)
            yield Comparison(f"{sizes}, {RUNS} runs : torch.optim.SGD, one run", times["ours"], times["plain"], bound)
            found = fuse.measured(ours.runs[0], ours.ms[0], RUNS)
            decided = "chosen" if found[0] / found[1] >= fuse.PAYS else "not chosen"
            what = f"{sizes}, {RUNS} runs : one by one ({decided}: {found[1] / found[0]:.2f} measured)"
            yield Comparison(what, times["ours"], times["alone"], None)
