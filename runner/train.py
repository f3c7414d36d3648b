"""The one loop. Every method trains here; what differs lies in the rooms.

An epoch draws its batches; a step hands the optimizer the objective on one of them; a row closes the epoch; the stop
rule reads the rows. Everything that a later step depends on is in `State`, so a commit may happen between two steps.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal, Protocol

import torch
from torch import Tensor

from runner.core.errors import Diverged, Interrupted
from runner.core.objective import Counts, Objective
from runner.core.parts import Inputs, Part
from runner.core.signals import Signals
from runner.core.streams import stream
from runner.loss.base import Loss
from runner.probe.base import Observation, Step
from runner.probe.none import NoProbe
from runner.run import Material, Run
from runner.schedule.base import Progress
from runner.state import State
from runner.stop.base import FULL_GRADIENT
from runner.store.base import Folder, Row

COUNTS = tuple(vars(Counts()))  # what the objective was asked so far, in examples
PROBED = 0  # the draw of examples for probes; those for steps are 1, 2, ...
EVALUATED = 1 << 13  # examples in one evaluation pass


class Watcher(Protocol):
    """Somebody who looks on: a screen."""

    def row(self, row: Row) -> None:
        """An epoch has ended."""

    def tick(self, share: float) -> None:
        """An epoch is under way, this share of it is done; called a few times a second."""


@dataclass(frozen=True)
class Ending:
    """How training ended, and the test result of the parameters of the best epoch."""

    status: Literal["completed", "diverged"]
    verdict: str
    best_epoch: int | None
    test: dict[str, float]


def train(run: Run, m: Material, folder: Folder, watcher: Watcher) -> Ending:
    """Train from where `folder` is until the stop rule speaks; leaves every row written and committed.

    Raises `Interrupted` after a signal, with everything committed.
    """
    start = m.theta.clone()
    at = State.restored(run, m, folder) if folder.restored else State.fresh(run, m)
    folder.expect(at.size)
    rows, steps, limit = folder.rows, run.sampler.batches(len(m.train)), run.limit
    verdict, diverged = judgement(run, rows, folder.elapsed_s)
    with Signals() as signals:
        pulse = folder.pulse(signals)
        while verdict is None:
            epoch, begun, bad = len(rows) + 1, time.monotonic(), None
            pulse.starts()
            noise = at.noise(run, m, epoch)
            try:
                for x, y in batches(run, m.train, epoch, at.batch):
                    if at.batch and run.stop.due(at.step, folder.elapsed_s):
                        break  # the epoch ends here, with a short row
                    last = at.batch == steps - 1
                    before = m.theta.clone() if last and run.probe.follows else None
                    at.lr = run.lr * run.schedule.factor(Progress(at.step, steps, limit), rows)
                    m.objective.on(x, y, noise)
                    run.optimizer.step(m.theta, at.memory, m.objective, at.lr, at.step + 1)
                    run.architecture.project(m.theta)
                    at.count(m.objective, run.loss)
                    if before is not None:
                        at.followed = followed(run, m, before, at.lr)
                    if pulse.beats(at.step):
                        signal, due = pulse.seen()
                        if signal or due:
                            commit(folder, at, noise, run)
                            folder.tell()
                        if signal:
                            raise Interrupted(f"stopped by signal {signal}", signal)
                        watcher.tick(at.batch / steps)
            except Diverged as error:
                bad = error
            judged = run.optimizer.eval_theta(m.theta, at.memory)
            m.objective.refit(judged, Inputs(m.train, EVALUATED))
            row = at.row(epoch, evaluate(run.loss, m.objective, judged, m.validation), run.loss, bad)
            row |= measured(run, m, judged, start, epoch, at)
            folder.append(row, time.monotonic() - begun, at.tally.examples)
            watcher.row(row)
            at.close_epoch(row, judged)
            verdict, diverged = judgement(run, rows, folder.elapsed_s)
        commit(folder, at, None, run)
    return concluded(run, m, at, verdict, diverged)


def measured(run: Run, m: Material, judged: Tensor, start: Tensor, epoch: int, at: State) -> Row:
    """What the other rooms add to the row of an epoch: the stop rule's full gradient, the penalty, the probe."""
    row: Row = {}
    if run.stop.full_gradient_every:
        row |= {FULL_GRADIENT: full_gradient(run, m, judged, epoch)}
    row |= zip(run.regularizer.columns, run.regularizer.measure(judged, m.layout), strict=True)
    names = probed(run, m)
    if names:
        asked = m.objective.measuring()
        stable = None if m.objective.summed else run.optimizer.stable_below(at.lr)
        seen = Observation(judged.clone(), start, m.layout, lambda n: asked.sample(n, PROBED), at.lr, stable)
        with m.objective.evaluation(judged), torch.enable_grad():
            found = run.probe.measure(seen)
        short = len(names) - len(found) - len(at.followed)  # an epoch that was cut short has no last step
        row |= zip(names, (*found, *at.followed, *[math.nan] * short), strict=True)
    return row


def followed(run: Run, m: Material, before: Tensor, lr: float) -> list[float]:
    """What the probe says of the step that was just made from `before`, on the mini-batch of that step."""
    asked = m.objective.measuring()
    asked.x, asked.y = m.objective.x, m.objective.y
    present = {name: buffer.clone() for name, buffer in m.objective.buffers.items()}
    after = m.theta.clone()
    try:
        value, gradient = asked.value_and_grad(before)
        gradient, values = gradient.clone(), (value, asked.value(after))
    except Diverged:  # which the step would have met before
        gradient, values = torch.full_like(before, math.nan), (math.nan, math.nan)
    for name, buffer in m.objective.buffers.items():
        buffer.copy_(present[name])
    step = Step(before, after, gradient, values, lr, m.layout, lambda n: asked.sample(n, PROBED), len(asked.y))
    with m.objective.evaluation(after), torch.enable_grad():
        return list(run.probe.measure_step(step))


def concluded(run: Run, m: Material, at: State, verdict: str, diverged: bool) -> Ending:
    """How it ended, with the test result of the best epoch."""
    test = {}
    if at.best_epoch and len(m.test):
        test = evaluate(run.loss, m.objective, at.best_theta, m.test, at.best_buffers)
    return Ending("diverged" if diverged else "completed", verdict, at.best_epoch or None, test)


def commit(folder: Folder, at: State, noise: torch.Generator | None, run: Run) -> None:
    """Make everything so far durable.

    An update can overflow with a finite gradient: then the last commit stays, and the rows alone are made durable.
    """
    if at.theta.isfinite().all():
        folder.commit(at.content(noise, run))
    else:
        folder.sync()


def judgement(run: Run, rows: list[Row], elapsed_s: float) -> tuple[str | None, bool]:
    """(why to stop, whether it is divergence), from the rows, and from the seconds where a rule goes by them.

    Finiteness comes first: with NaN, every comparison is false.
    """
    if not rows:
        return None, False
    last = rows[-1]
    where = f"in epoch {last['epoch']}, after step {last['step']}"
    for name, words in (
        ("train_loss", "training loss"),
        ("grad_norm", "norm of the gradient"),
        ("val_loss", "validation loss"),
    ):
        if not math.isfinite(last[name]):
            return f"the {words} became {last[name]} {where}", True
    return run.stop.verdict(rows, elapsed_s), False


def batches(run: Run, part: Part, epoch: int, done: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The mini-batches (x `[B, ...]`, y `[B]`) of an epoch from number `done` on.

    Rows are put into order many batches at a time: slicing costs a microsecond, gathering a batch ten. `index_select`
    copies whole rows, five times as fast as `x[rows]`.
    """
    size = run.sampler.size(len(part))
    if done >= run.sampler.batches(len(part)):
        return
    order = run.sampler.order(len(part), stream(run.seed, "order", epoch))
    if order is None:
        yield from part.consecutive(size, done)
        return
    # Gathered from where an uninterrupted epoch gathers: kernels may round differently at another alignment.
    together = max(1, part.at_once // size)
    whole = done // together * together
    for number, (x, y) in enumerate(part.fetched(torch.split(order[whole * size :], size * together))):
        pairs = zip(torch.split(x, size), torch.split(y, size), strict=True)
        yield from islice(pairs, 0 if number else done - whole, None)


def evaluate(
    loss: Loss, objective: Objective, theta: Tensor, part: Part, buffers: dict[str, Tensor] | None = None
) -> dict[str, float]:
    """The loss and every metric over all examples of a part, at `theta`, dropout off; with the present statistics."""
    sums: dict[str, float] = {}
    with objective.evaluation(theta, buffers) as network:
        for batch in part.consecutive(min(EVALUATED, part.at_once)):
            x, y, counted = objective.own(*batch)
            output = network(x)
            for name, value in {"loss": loss.value(output, y), **loss.measure(output, y)}.items():
                sums[name] = sums.get(name, 0.0) + value.item() * counted
    return {name: total / len(part) for name, total in objective.totals(sums).items()}


def full_gradient(run: Run, m: Material, theta: Tensor, epoch: int) -> float:
    """The norm of the gradient over all training examples, NaN in an epoch in which no rule looks at it."""
    if epoch % (run.stop.full_gradient_every or 1):
        return math.nan
    parts = m.train.consecutive(min(EVALUATED, m.train.at_once))
    return m.objective.norm_of_all(theta, parts, len(m.train))


def probed(run: Run, m: Material | None) -> tuple[str, ...]:
    """The columns of the probe; without the material, those that every network has."""
    if m is None or run.probe == NoProbe():
        return run.probe.columns
    return (*run.probe.columns, *run.probe.layered(m.network), *run.probe.stepped(m.network))


def columns(run: Run, m: Material | None = None) -> tuple[str, ...]:
    """The header of metrics.csv; without the material, those columns that every network has."""
    metrics = [f"{part}_{name}" for name in run.loss.metrics for part in ("train", "val")]
    fixed = ("epoch", "step", "examples", "lr", "train_loss", "val_loss", *metrics, "grad_norm", *COUNTS)
    full = (FULL_GRADIENT,) if run.stop.full_gradient_every else ()
    return (*fixed, *full, *run.regularizer.columns, *probed(run, m))
