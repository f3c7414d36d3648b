"""K runs side by side: the loop of `runner.train`, each step for K rows at once.

Runs that differ in numbers alone, or in what is decided for each by itself (rule, schedule, stop rule, first weights),
share a program: K forward and backward passes in one, and an optimizer's formula once for all rows that have it.
Everything else stays one per run: its order of examples, its noise, its folder, its rows, its commits, its end. They go
through an epoch in step; a run that ends is written and leaves, and the others close up.

A run here agrees with the same run alone up to rounding. Who its neighbours are changes no bit (see `core/rows.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor

from runner.architecture.base import Architecture
from runner.core.errors import Diverged, Interrupted
from runner.core.parts import Inputs
from runner.core.rows import Rows, RowsDiverged, alike
from runner.core.signals import Signals
from runner.core.streams import stream
from runner.optimizer.base import Asked
from runner.optimizer.rows import Known, stripes
from runner.run import Material, Run
from runner.schedule.base import Progress
from runner.state import PENDING, State, Tally
from runner.store.base import Folder
from runner.store.folder import LEAST_S, SHARE
from runner.train import EVALUATED, Ending, Watcher, commit, concluded, judgement, measured

AT_ONCE = 1 << 10  # examples in one evaluation pass, of each run; the same for every K, since sums depend on it
THREADS = 16  # that write at once: on a disk that takes 1 ms to make a file durable, sixteen take about as long as one
COMMIT_S = 0.003  # for a small run, before one was measured: five files are made durable

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass
class Lane:
    """One run of a group with everything that is its own. `at` is the state of the run whenever `Group.sync` was."""

    run: Run
    m: Material
    folder: Folder
    watcher: Watcher
    start: Tensor
    at: State
    noise: torch.Generator | None = None

    @classmethod
    def of(cls, run: Run, m: Material, folder: Folder, watcher: Watcher) -> Lane:
        """A run where its folder is."""
        start = m.theta.clone()
        at = State.restored(run, m, folder) if folder.restored else State.fresh(run, m)
        return cls(run, m, folder, watcher, start, at)

    @property
    def epoch(self) -> int:
        """The epoch in progress, from 1."""
        return len(self.folder.rows) + 1

    def ending(self) -> Ending | None:
        """How it ended, if its rows say that it has."""
        verdict, diverged = judgement(self.run, self.folder.rows, self.folder.elapsed_s)
        return None if verdict is None else concluded(self.run, self.m, self.at, verdict, diverged)

    def commit(self) -> None:
        """Make everything so far durable."""
        commit(self.folder, self.at, self.noise, self.run)


def at_once(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """`work` done on all items, each in a thread: what waits for the disk waits together."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(work, items))


def train(lanes: Sequence[Lane]) -> Iterator[list[tuple[Lane, Ending]]]:
    """Train lanes that stand at the same step, until every one has ended; yields those that do so together.

    Raises `Interrupted` after a signal, with everything committed.
    """
    known = [(lane, lane.ending()) for lane in lanes]
    going = [lane for lane, ending in known if ending is None]
    if len(going) < len(lanes):
        yield [(lane, ending) for lane, ending in known if ending is not None]
    group = Group(going) if going else None
    look, due_at = 0.0, time.monotonic() + max(LEAST_S, SHARE * COMMIT_S * len(going))
    with Signals() as signals:
        while group is not None:
            closed = group.turn()
            if closed is not None:
                group, endings = closed
                if endings:
                    yield endings
                continue
            if signals.received or time.monotonic() > look:
                look = time.monotonic() + 0.1
                if signals.received or look > due_at:
                    due_at = time.monotonic() + max(LEAST_S, SHARE * group.commit())
                    for lane in group.lanes:
                        lane.folder.tell()
                if signals.received:
                    raise Interrupted(f"stopped by signal {signals.received}", signals.received)
                for lane in group.lanes:
                    lane.watcher.tick(group.batch / group.steps)


@dataclass(frozen=True)
class Anywhere(Asked):
    """Rows as an objective that is asked at any `theta [K, P]`."""

    rows: Rows

    def value(self, theta: Tensor) -> float:
        raise NotImplementedError("K losses are not one number")

    def value_and_grad(self, theta: Tensor) -> tuple[float, Tensor]:
        return float("nan"), self.rows.value_and_grad(theta)[1]


class Group:
    """Lanes at the same step, as the rows of one program.

    lanes  in the order of their rows; those with one rule are neighbours
    theta  `[K, P]`
    """

    def __init__(self, lanes: Sequence[Lane]) -> None:
        kinds = alike([lane.run.optimizer for lane in lanes])
        self.lanes = [lanes[number] for kind in kinds for number in kind.numbers]
        self.one = one = self.lanes[0]  # for what all have in common
        self.theta = torch.stack([lane.at.theta for lane in self.lanes])
        self.rows = Rows([lane.m.objective for lane in self.lanes], [lane.run.loss for lane in self.lanes])
        self.stripes = stripes([lane.run.optimizer for lane in self.lanes], [lane.at.memory for lane in self.lanes])
        curves = [(lane.run.schedule, lane.run.limit) for lane in self.lanes]
        self.curves = alike([each if each[0].monitored is None else (each, row) for row, each in enumerate(curves)])
        self.lrs = [lane.at.lr for lane in self.lanes]
        self.rates = self.theta.new_tensor(self.lrs).unsqueeze(1)
        self.steps = one.run.sampler.batches(len(one.m.train))
        self.step, self.batch, self.examples = one.at.step, one.at.batch, one.at.examples
        self.projects = type(one.run.architecture).project is not Architecture.project
        self.open()

    def open(self) -> None:
        """Begin the epoch of every lane, or go on with it: its order, its noise, its sums."""
        self.begun = time.monotonic()
        self.drawn = False  # whether the mini-batches of the step that comes were drawn
        self.batch = self.one.at.batch
        self.tallies = Tallies.of([lane.at.tally for lane in self.lanes], self.theta.device)
        n = len(self.one.m.train)
        for lane in self.lanes:
            lane.noise = lane.noise or lane.at.noise(lane.run, lane.m, lane.epoch)
        orders = [lane.run.sampler.order(n, stream(lane.run.seed, "order", lane.epoch)) for lane in self.lanes]
        self.orders = torch.stack([torch.arange(n) if order is None else order for order in orders])

    def advance(self) -> None:
        """One step of every lane, on a mini-batch of its own.

        Raises `RowsDiverged` before anything has changed; those that are left then go on with the same step.
        """
        self.set_rates()
        if not self.drawn:
            self.draw()
        try:
            self.move(self.step + 1)
        except RowsDiverged as error:
            self.rows.charge(error.found)
            raise
        self.rows.charge(range(len(self.lanes)))
        self.drawn = False
        self.step += 1
        self.batch += 1
        self.examples += self.rows.y.shape[1]
        self.tallies.add(self.rows)

    def turn(self) -> tuple[Group | None, list[tuple[Lane, Ending]]] | None:
        """Make a step; or, where an epoch of some is over or they diverge, close it: (who goes on, who has ended)."""
        bad: dict[int, tuple[float, float]] = {}
        over = self.due()
        if not over:
            try:
                self.advance()
            except RowsDiverged as error:
                over, bad = list(error.found), error.found
        if not over:
            return None
        endings = self.close(over, bad)
        return self.without([lane for lane, _ in endings], over), endings

    def move(self, t: int) -> None:
        """Move the parameters of every lane, as the rules say."""
        if self.one.run.optimizer.gradients == "elsewhere":
            self.stripes[0].step(self.theta, Anywhere(self.rows), self.lrs, self.rates, t)
        else:
            _, g = self.rows.value_and_grad(self.theta)
            for stripe in self.stripes:
                stripe.step(self.theta, Known(stripe.of(g)), self.lrs, self.rates, t)
        if self.projects:
            for theta in self.theta:
                self.one.run.architecture.project(theta)

    def set_rates(self) -> None:
        """The learning rate of every row for the step that comes; curves that are alike are asked once."""
        lrs = list(self.lrs)
        for curve in self.curves:
            lane = self.lanes[curve.numbers[0]]
            at = Progress(self.step, self.steps, lane.run.limit)
            factor = lane.run.schedule.factor(at, lane.folder.rows)
            for row in curve.numbers:
                lrs[row] = self.lanes[row].run.lr * factor
        if lrs != self.lrs:
            self.lrs, self.rates = lrs, self.theta.new_tensor(lrs).unsqueeze(1)

    def draw(self) -> None:
        """Put the next mini-batch of every lane before its row, `[K, B, ...]`, with its noise."""
        size = self.one.run.sampler.size(len(self.one.m.train))
        numbers = self.orders[:, self.batch * size : (self.batch + 1) * size]
        x, y = self.one.m.train.rows(numbers.reshape(-1))
        x, y = x.view(*numbers.shape, *x.shape[1:]), y.view(numbers.shape)
        self.rows.on(x, y, [lane.noise for lane in self.lanes])
        self.drawn = True

    def due(self) -> list[int]:
        """The rows of lanes whose epoch ends here: all of them, or some with a short row of metrics."""
        if self.batch == self.steps:
            return list(range(len(self.lanes)))
        if not self.batch:
            return []
        return [k for k, lane in enumerate(self.lanes) if lane.run.stop.due(self.step, lane.folder.elapsed_s)]

    def sync(self) -> None:
        """Bring the state of every lane up to date, as that of the run alone would be here."""
        tallies = self.tallies.of_rows()
        for k, lane in enumerate(self.lanes):
            at = lane.at
            at.theta.copy_(self.theta[k])
            for name, buffer in at.buffers.items():
                buffer.copy_(self.rows.buffers[name][k])
            at.step, at.batch, at.examples, at.lr = self.step, self.batch, self.examples, self.lrs[k]
            at.tally = tallies[k]
        for stripe in self.stripes:
            for k in range(stripe.rows.start, stripe.rows.stop):
                self.lanes[k].at.memory = stripe.memory_of(k)

    def commit(self) -> float:
        """Commit every lane; how many seconds it took."""
        begun = time.monotonic()
        self.sync()
        at_once(Lane.commit, self.lanes)
        return time.monotonic() - begun

    def close(self, over: Sequence[int], bad: Mapping[int, tuple[float, float]]) -> list[tuple[Lane, Ending]]:
        """End the epoch of the lanes in the rows `over`, of which `bad` diverged; those that have ended by it."""
        if len(over) == len(self.lanes):
            self.tallies.settle(self.rows)
        self.sync()
        self.judge(sorted(over), bad)
        endings = []
        for k in over:
            lane = self.lanes[k]
            if (ending := lane.ending()) is not None:
                endings.append((lane, ending))
            elif len(over) < len(self.lanes):
                raise RuntimeError(f"{lane.run.stop!r} ends an epoch early, and then does not end the run")
        at_once(Lane.commit, [lane for lane, _ in endings])
        return endings

    def without(self, leaving: Sequence[Lane], over: Sequence[int]) -> Group | None:
        """The group of those that go on, after the epoch of the rows `over` was closed."""
        left = [k for k, lane in enumerate(self.lanes) if not any(lane is one for one in leaving)]
        if not left:
            return None
        if len(left) == len(self.lanes):
            self.open()
            return self
        rest = Group([self.lanes[k] for k in left])
        if len(over) < len(self.lanes):  # in the middle of an epoch, perhaps of a step
            rest.begun, rest.drawn, rest.rows = self.begun, self.drawn, self.rows.of(left)
        return rest

    def judge(self, chosen: Sequence[int], bad: Mapping[int, tuple[float, float]]) -> None:
        """Write the row of the epoch of some lanes, whose states are up to date."""
        everyone = torch.cat([stripe.judged(self.theta) for stripe in self.stripes])
        for k in chosen:  # layers that are exact in use
            objective = self.lanes[k].m.objective
            objective.refit(everyone[k], Inputs(self.one.m.train, EVALUATED))
            for name, buffer in objective.buffers.items():
                self.rows.buffers[name][k].copy_(buffer)
        rows = self.rows if len(chosen) == len(self.lanes) else self.rows.of(chosen)
        validation = evaluate(rows, everyone[list(chosen)], self.one.m)
        epoch_s = time.monotonic() - self.begun
        for k, *values in zip(chosen, *validation.values(), strict=True):
            lane, judged = self.lanes[k], everyone[k]
            diverged = Diverged(*bad[k]) if k in bad else None
            row = lane.at.row(lane.epoch, dict(zip(validation, values, strict=True)), lane.run.loss, diverged)
            row |= measured(lane.run, lane.m, judged, lane.start, lane.epoch, lane.at)
            lane.folder.append(row, epoch_s, lane.at.tally.examples)
            lane.watcher.row(row)
            lane.at.close_epoch(row, judged)
            lane.noise = None


def evaluate(rows: Rows, theta: Tensor, m: Material) -> dict[str, list[float]]:
    """The loss and every metric over all examples for validation, of every row at `theta [K, P]`."""
    sums: dict[str, Tensor] = {}
    with rows.evaluation(theta) as network:
        for x, y in m.validation.consecutive(AT_ONCE):
            for name, values in rows.judge(network(x), y.expand(len(rows), *y.shape)).items():
                sums[name] = sums.get(name, 0.0) + values.double() * len(y)
    return {name: (total / len(m.validation)).tolist() for name, total in sums.items()}


@dataclass
class Tallies:
    """Sums over the epoch in progress, of every row: `runner.state.Tally` for K runs."""

    examples: int
    steps: int
    loss: Tensor  # [K] in float64, as the numbers of a single run are
    grad_norm: Tensor
    metrics: dict[str, Tensor] = field(default_factory=dict)
    pending: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    waiting: int = 0

    @classmethod
    def of(cls, tallies: Sequence[Tally], device: torch.device) -> Tallies:
        """Those of runs that stand at the same step."""

        def column(numbers: Sequence[float]) -> Tensor:
            return torch.tensor(numbers, dtype=torch.float64, device=device)

        one = tallies[0]
        pairs = zip(*(each.pending for each in tallies), strict=True)
        return cls(
            one.examples,
            one.steps,
            column([each.loss for each in tallies]),
            column([each.grad_norm for each in tallies]),
            {name: column([each.metrics[name] for each in tallies]) for name in one.metrics},
            [(torch.stack([out for out, _ in each]), torch.stack([y for _, y in each])) for each in pairs],
            one.waiting,
        )

    def of_rows(self) -> list[Tally]:
        """That of every run."""
        losses, norms = self.loss.tolist(), self.grad_norm.tolist()
        metrics = {name: column.tolist() for name, column in self.metrics.items()}
        return [
            Tally(
                self.examples,
                self.steps,
                loss,
                norm,
                {name: column[k] for name, column in metrics.items()},
                [(output[k], y[k]) for output, y in self.pending],
                self.waiting,
            )
            for k, (loss, norm) in enumerate(zip(losses, norms, strict=True))
        ]

    def add(self, rows: Rows) -> None:
        """Note a step that was made."""
        size = rows.y.shape[1]
        means, norms = rows.first
        self.examples += size
        self.steps += 1
        self.loss += means.double() * size
        self.grad_norm += norms.double()
        self.pending.append((rows.output, rows.y))
        self.waiting += size
        if self.waiting >= PENDING:
            self.settle(rows)

    def settle(self, rows: Rows) -> None:
        """Take the metrics of the outputs that wait."""
        if not self.pending:
            return
        output, y = (torch.cat(parts, 1) for parts in zip(*self.pending, strict=True))
        for name, values in rows.measure(output, y).items():
            self.metrics[name] = self.metrics.get(name, 0.0) + values.double() * y.shape[1]
        self.pending, self.waiting = [], 0
