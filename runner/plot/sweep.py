"""Which choice won: all runs of a sweep on one slide, the curves at the left and the comparison at the right, and from
three axes on all of them below.

How runs become lines, and which comparison is drawn, is told in `runner.plot.panel.base`.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from runner.core.cost import gradients
from runner.core.errors import CorruptError, DiskError
from runner.plot.base import (
    MARGIN,
    QUIET,
    WIDTH,
    Values,
    cut,
    literal,
    look,
    lost_at,
    measured,
    page,
    read_columns,
    read_json,
    save,
    text_width,
)
from runner.plot.panel import against, heat, parallel, ranking, together
from runner.plot.panel.base import Group, Job, Sweep, number_in, short


def draw(folder: Path, refuse_damaged: Callable[[Path], object] = lambda folder: None) -> list[Path]:
    """Draw `sweep.png` and `sweep.svg` from `sweep.json`, `sweep.csv` and the runs' `metrics.csv` of a sweep folder.

    With `sweep_importance.csv`, what an axis explains stands at it. A run without a `metrics.csv` (not started, failed
    early) has no curve; what is given as `refuse_damaged` sees the folder of each other first. Returns the two paths.
    Raises `DiskError` if a file cannot be read or written and `CorruptError` if it does not hold what it should; the
    old pictures are then still there.
    """
    with look():
        return save(figure(read(folder, refuse_damaged)), folder, "sweep")


def read(folder: Path, refuse_damaged: Callable[[Path], object] = lambda folder: None) -> Sweep:
    """The sweep in `folder`."""
    plan, table = read_json(folder / "sweep.json"), folder / "sweep.csv"
    axes = tuple(plan.get("axes", {}))
    try:
        with table.open(encoding="utf-8", newline="") as file:
            header, *rows = list(csv.reader(file)) or [[]]
    except OSError as error:
        raise DiskError(f"{table} cannot be read: {error.strerror}") from None
    missing = [name for name in ("dir", *axes, "status", "best_val_loss", "final_val_loss") if name not in header]
    if missing:
        raise CorruptError(f"{table}: no column {', '.join(missing)}; it has {', '.join(header)}")
    jobs = []
    for at, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise CorruptError(f"{table}, line {at}: {len(row)} fields, the header has {len(header)}")
        # The axes come first: of two columns `epochs`, the first is what was asked for and the second what came.
        values = {axis: literal(row[header.index(axis)]) for axis in axes}
        jobs.append(_job(folder, values, dict(zip(header, row, strict=True))))
    sweep = Sweep(str(plan.get("title", folder.name)), axes, tuple(jobs), _shares(folder))
    with_curve = {job.folder for job in sweep.drawn if (job.folder / "metrics.csv").is_file()}
    for each in with_curve:
        refuse_damaged(each)
    return replace(sweep, jobs=tuple(_with_curve(job) if job.folder in with_curve else job for job in jobs))


def _job(folder: Path, values: dict[str, str], row: dict[str, str]) -> Job:
    done = number_in(row.get("epochs_done", ""))
    lost_in = done if row["status"] == "diverged" and done > 0 else None
    numbers = number_in(row["best_val_loss"]), number_in(row["final_val_loss"])
    return Job(folder / row["dir"], values, row["status"], *numbers, np.empty(0), np.empty(0), lost_in)


def _with_curve(job: Job) -> Job:
    columns = read_columns(job.folder / "metrics.csv", ("epoch", "train_loss", "val_loss"))
    epochs, losses = measured(columns["epoch"], columns["val_loss"])
    end = lost_at(columns["train_loss"], columns["val_loss"])
    if end is None and job.status == "diverged" and len(columns["epoch"]):
        end = len(columns["epoch"]) - 1
    lost_in = None if end is None else float(columns["epoch"][end])
    job = replace(job, epochs=epochs, losses=losses, lost_in=lost_in)
    cost = _costs(job.folder, columns)
    if cost is None:
        return job
    return replace(
        job, costs=measured(cost, columns["val_loss"])[0], lost_at_cost=math.nan if end is None else float(cost[end])
    )


def _costs(folder: Path, columns: dict[str, Values]) -> Values | None:
    """What a run had cost at the end of each epoch, in gradients of all training examples; the first ones do not
    say."""
    if not {"forward", "backward", "hvp"} <= columns.keys():
        return None
    examples = float(read_json(folder / "manifest.json")["rows"]["train"])
    cost: Values = gradients(columns["forward"], columns["backward"], columns["hvp"]) / examples
    return cost


def _shares(folder: Path) -> dict[str, float]:
    """Axis -> the share of the variance that it explains, if that was computed."""
    path = folder / "sweep_importance.csv"
    if not path.is_file():
        return {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise DiskError(f"{path} cannot be read: {error.strerror}") from None
    return {row["axis"]: float(row["share"]) for row in rows if row.get("share")}


def figure(sweep: Sweep) -> Figure:
    """The slide; to be called inside `look()`."""
    entries = [(group, _entry(sweep, group)) for group in sweep.groups if group.named] if sweep.colour_axes else []
    across = _columns([text for _, text in entries])
    lines = math.ceil(len(entries) / across)
    foot, head = 0.62, 0.45
    below = parallel.HIGH + 0.8 + head if len(sweep.live) >= parallel.LEAST else 0.0
    slide, high = page(sweep.title, _notes(sweep), 3.3 + foot + head + 0.24 * lines + below)
    if entries:
        handles = [
            Line2D([], [], color=g.colour, ls=g.dash, lw=2.2, marker=g.marker, ms=6, mec="white", mew=0.6)
            for g, _ in entries
        ]
        slide.legend(
            _by_row(handles, across), _by_row([text for _, text in entries], across), ncols=across, loc="upper left",
            bbox_to_anchor=(MARGIN / WIDTH, (high + 0.02) / slide.get_size_inches()[1]), fontsize=10.5,
            handlelength=2.4, borderaxespad=0, borderpad=0, columnspacing=1.6, labelspacing=0.4,
        )  # fmt: skip
    high -= foot + head + 0.24 * lines + below
    comparison = (ranking.draw, against.draw, heat.draw)[min(len(sweep.numeric), 2)]
    together.draw(slide, foot + below, high, sweep)
    comparison(slide, foot + below, high, sweep)
    if below:
        parallel.draw(slide, 0.8, sweep)
    return slide


def _columns(texts: list[str]) -> int:
    """How many legend entries fit side by side; 0.72 inches go to an entry's line and the space around it."""
    for across in range(len(texts), 1, -1):
        columns = [texts[column::across] for column in range(across)]
        if sum(max(text_width(text, 10.5) for text in column) + 0.72 for column in columns) < WIDTH - MARGIN:
            return across
    return 1


def _by_row(items: list[Any], across: int) -> list[Any]:
    """Reordered for a legend, which fills its columns first, so that it is read row by row."""
    lines = math.ceil(len(items) / across)
    full = len(items) - (lines - 1) * across  # columns that have an entry in the last row
    return [items[line * across + column] for column in range(across) for line in range(lines - (column >= full))]


def _entry(sweep: Sweep, group: Group) -> str:
    rest = [f"{short(axis)} {group.champion.values[axis]}" for axis in sweep.live if axis not in sweep.colour_axes]
    text = group.label + (f" at {', '.join(rest)}" if rest and len(group.settings) > 1 else "")
    if group.champion.lost and not group.champion.kept:
        text = f"{group.label}: diverged"
    return cut(text, WIDTH - 2 * MARGIN - 0.72)


def _notes(sweep: Sweep) -> list[tuple[str, str]]:
    counts = Counter(job.status or "not started" for job in sweep.jobs).most_common()
    told = ", ".join(f"{count} {status}{' (×)' if status == 'diverged' else ''}" for status, count in counts)
    notes = [f"{len(sweep.jobs)} run{'s' if len(sweep.jobs) != 1 else ''}: {told}" if sweep.jobs else "no run yet"]
    notes += [
        f"{short(axis)} {sweep.values(axis)[0]}"
        for axis in sweep.axes
        if axis not in sweep.live and axis not in sweep.seeds and sweep.jobs
    ]
    if sweep.seeded > 1:
        without = " without diverged ones" if any(s.lost and s.kept for s in sweep.settings) else ""
        some = max(len(sweep.sampled(setting)) for setting in sweep.champions)
        of = f"{some} of {sweep.seeded:,}" if some < sweep.seeded else f"{sweep.seeded}"
        notes.append(f"line: mean of {of} seeds{without}, band: lowest to highest")
        # The cells of a heat map have no room for it.
        notes += ["bar: 95 % interval of the mean"] if len(sweep.numeric) < 2 else []
    others = len(sweep.settings) - len(sweep.champions)
    if len(sweep.followers) < others:
        notes.append(f"thin: {len(sweep.followers)} of the {others:,} other settings, evenly by rank")
    elif any(len(group.settings) > 1 for group in sweep.groups):
        notes.append("thin: the other settings")
    if sweep.shares and len(sweep.live) >= parallel.LEAST:
        notes.append("% alone: share of the variance")
    unnamed = sum(not group.named for group in sweep.groups)
    if unnamed and sweep.words:
        notes.append(f"grey: {unnamed} more")
    return [(" · ".join(notes), QUIET)]
