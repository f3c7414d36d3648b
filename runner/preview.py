"""What a schedule would do, without training: the rates as a line of blocks, a table, a picture, and their sums.

A schedule that reads rows is drawn for a run whose loss never improves, which is said.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from runner.core.errors import ConfigError
from runner.run import Run
from runner.schedule.base import Progress, Row, Schedule, Sums
from runner.store.base import disk

STEPS = 100  # in an epoch, unless given: what the data would make of it is not looked up
MOST = 10_000_000  # steps; the rows that a schedule may read lie in memory
POINTS = 20_000  # rates that are computed for the picture
BLOCKS = "▁▂▃▄▅▆▇█"
COLUMNS = 60
LINES = 12  # of the table


@dataclass(frozen=True)
class Curve:
    """Rates by step."""

    schedule: Schedule
    lr: float
    epochs: int
    steps: int
    rates: dict[int, float]


def show(run: Run, steps: int, folder: Path) -> Iterator[str]:
    """The lines to print, and `schedule.png` and `.svg` in `folder`, drawn when the rest has been said."""
    curve = computed(run.schedule, run.lr, run.epochs, steps)
    sums = run.schedule.sums()
    what = f"lr {run.lr:g} · {counted(run.epochs, 'epoch')} of {counted(steps, 'step')}"
    yield f"schedule:   {run.schedule.label} · {what}"
    yield f"rates:      {blocks(curve)}"
    yield from table(curve)
    yield f"sum t_k:    {('finite', 'infinite', 'the rows decide')[2 if sums.first is None else sums.first]}"
    yield f"sum t_k^2:  {('infinite', 'finite', 'the rows decide')[2 if sums.second is None else sums.second]}"
    yield from textwrap.wrap(f"so:         {judged(sums)}", 100, subsequent_indent=" " * 12)
    assumed = f"drawn for a {run.schedule.monitored} that never improves" if run.schedule.monitored else ""
    if assumed:
        yield f"note:       {assumed}"
    from runner.plot import schedule as plot  # matplotlib; the text need not wait for it

    with disk(folder, "make the folder"):
        folder.mkdir(parents=True, exist_ok=True)
    x, y = np.array(list(curve.rates), dtype=float) / steps, np.array(list(curve.rates.values()))
    notes = [f"{what} · {assumed}" if assumed else what, judged(sums)]
    for path in plot.draw(folder, run.schedule.label, notes, x, y):
        yield f"picture:    {path}"


def computed(schedule: Schedule, lr: float, epochs: int, steps: int) -> Curve:
    """The rates of all steps, or of evenly spread ones, and of the first and last step of the epochs of the table."""
    total = epochs * steps
    if total > MOST:
        raise ConfigError(
            "steps",
            steps,
            allowed=f"epochs * steps up to {MOST:,}; these are {total:,}",
            do="give fewer; most schedules have one shape for any number",
        )
    wanted = {*range(0, total, -(-total // POINTS))}
    wanted |= {step for epoch in told(epochs) for step in (epoch * steps - steps, epoch * steps - 1)}
    stays = {name: 1.0 for name in ("val_loss", "train_loss", schedule.monitored) if name}
    rows: list[Row] = []
    rates = {}
    for step in sorted(wanted):
        at = Progress(step, steps, epochs)
        rows += [stays] * (at.epoch - len(rows))
        rates[step] = lr * schedule.factor(at, rows)
    return Curve(schedule, lr, epochs, steps, rates)


def told(epochs: int) -> list[int]:
    """The epochs of the table: all of a few, else evenly spread, the first and the last among them.

    >>> told(3), told(100)[:3], told(100)[-1]
    ([1, 2, 3], [1, 10, 19], 100)
    """
    few = min(epochs, LINES)
    return sorted({round(1 + (epochs - 1) * k / max(1, few - 1)) for k in range(few)})


def blocks(curve: Curve) -> str:
    """The mean rate of each column as the height of a block, the highest rate being the highest block."""
    total = curve.epochs * curve.steps
    columns = min(COLUMNS, len(curve.rates))
    parts = groupby(curve.rates.items(), key=lambda item: item[0] * columns // total)
    means = [float(np.mean([rate for _, rate in part])) for _, part in parts]
    top = max(means) or 1.0
    drawn = "".join(BLOCKS[min(len(BLOCKS) - 1, int(len(BLOCKS) * mean / top))] for mean in means)
    return f"{drawn}  at most {max(curve.rates.values()):.6g}"


def table(curve: Curve) -> list[str]:
    """The rates of the first and of the last step of some epochs, the second being `lr` of metrics.csv."""
    lines = [("epoch", "first step", "last step")]
    for epoch in told(curve.epochs):
        first, last = curve.rates[epoch * curve.steps - curve.steps], curve.rates[epoch * curve.steps - 1]
        lines.append((str(epoch), f"{first:.6g}", f"{last:.6g}"))
    return ["".join(f"{cell:>{width}}" for cell, width in zip(line, (17, 16, 16), strict=True)) for line in lines]


def judged(sums: Sums) -> str:
    """Whether the conditions of Robbins and Monro hold, in a sentence with the reason."""
    verdict = {True: "hold", False: "do not hold", None: "hold or not as the rows have it"}[sums.hold]
    return f"the conditions of Robbins and Monro {verdict}: {sums.reason}"


def counted(number: int, word: str) -> str:
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"
