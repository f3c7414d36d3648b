"""How did one run go: loss, metrics and learning rate over the epochs, on one slide.

The loss has the left half. Right of it, over the same epochs, one panel each for the metrics and, lower, for what
moved besides: the learning rate and what the probes saw. A learning rate that never changed is a line of text. Where
the probes saw more than three quantities, those have a slide of their own.
The best epoch, that with the lowest finite validation loss, is marked in every panel; a metric is shown with its value
at that epoch and not with its own best one, because one set of weights has to be good at both.
`grad_norm` and what the optimizer asked for stay in the CSV.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from runner.plot.base import (
    BAD,
    DPI,
    QUIET,
    TRAIN,
    VALIDATION,
    WIDTH,
    Values,
    apart,
    is_log,
    look,
    lost_at,
    measured,
    number,
    page,
    panel,
    read_columns,
    read_json,
    save,
    set_epochs,
    set_y,
    text_width,
    thin,
)
from runner.plot.panel.strip import Quantity, quantities, slide
from runner.plot.panel.strip import draw as strip

FIXED = ("epoch", "step", "examples", "lr", "train_loss", "val_loss")
UNSEEN = ("grad_norm", "forward", "backward", "hvp")  # the norm of the gradient, and what the rule asked for
WORDS = {"mae": "mean absolute error"}
BESIDE_LOSS = 3  # quantities of probes that have room there
PERCENT = ("accuracy",)  # metrics that are a share of the examples
TOLD = ("diverged", "interrupted", "failed")  # a status that the slide must not hide
SERIES = (("train", TRAIN, (0, (4, 1.6)), 1.8, "white"), ("validation", VALIDATION, "solid", 2.2, VALIDATION))
FEW = 20  # up to so many points each one is shown


@dataclass(frozen=True)
class Run:
    """What is read of a run folder; `status` is "" where there is no summary."""

    title: str
    metrics: dict[str, str]
    columns: dict[str, Values]
    status: str = ""
    verdict: str = ""

    @property
    def epochs(self) -> Values:
        return self.columns["epoch"]

    @property
    def best(self) -> int | None:
        """The row with the lowest finite validation loss."""
        loss = self.columns["val_loss"]
        return int(np.nanargmin(np.where(np.isfinite(loss), loss, np.inf))) if np.isfinite(loss).any() else None

    @property
    def lost(self) -> int | None:
        """The row where the loss stopped being a number; of a diverged run that kept none, its last row."""
        row = lost_at(self.columns["train_loss"], self.columns["val_loss"])
        return len(self.epochs) - 1 if row is None and self.status == "diverged" else row

    @property
    def probed(self) -> list[Quantity]:
        """What the probes saw."""
        known = {*FIXED, *UNSEEN, *(f"{part}_{name}" for name in self.metrics for part in ("train", "val"))}
        return quantities([c for c in self.columns if c not in known and np.isfinite(self.columns[c]).any()])

    @property
    def strips(self) -> list[Quantity]:
        """What the low panels show: the learning rate if it moved, then the probes unless they have their own slide."""
        moved = quantities(["lr"] if self.constant_lr is None and len(self.epochs) else [])
        return moved + (self.probed if len(self.probed) <= BESIDE_LOSS else [])

    @property
    def constant_lr(self) -> float | None:
        lr = self.columns["lr"]
        return float(lr[0]) if lr.size and (lr == lr[0]).all() else None


def draw(folder: Path) -> list[Path]:
    """Draw `curves.png` and `curves.svg` from the `manifest.json`, `metrics.csv` and `summary.json` of a run folder.

    `summary.json` may be missing. Where the probes saw much, there are `probes.png` and `probes.svg` too. Returns the
    paths. Raises `DiskError` if a file cannot be read or written and
    `CorruptError` if it does not hold what it should; the old pictures are then still there.
    """
    with look():
        run = read(folder)
        paths = save(figure(run), folder, "curves")
        if len(run.probed) > BESIDE_LOSS:
            best = None if run.best is None else float(run.epochs[run.best])
            paths += save(slide(run.title, _notes(run), run.probed, run.columns, best), folder, "probes")
        return paths


def read(folder: Path) -> Run:
    """The run in `folder`."""
    manifest = read_json(folder / "manifest.json")
    metrics = dict(manifest.get("metrics", {}))
    needed = [*FIXED[:1], *FIXED[3:], *(f"{part}_{name}" for name in metrics for part in ("train", "val"))]
    columns = read_columns(folder / "metrics.csv", needed)
    summary: dict[str, Any] = read_json(folder / "summary.json") if (folder / "summary.json").exists() else {}
    title, status, verdict = manifest.get("title", folder.name), summary.get("status", ""), summary.get("verdict", "")
    return Run(str(title), metrics, columns, str(status or ""), str(verdict or ""))


def figure(run: Run) -> Figure:
    """The slide; to be called inside `look()`."""
    # Heights in inches of the right column's panels; a metric has twice the height of a strip.
    heights = [2.0] * len(run.metrics) + [1.0] * len(run.strips)
    gaps, foot, head = 0.45, 0.62, 0.45
    least = max(3.4, 0.75 * sum(heights) + gaps * (len(heights) - 1))
    page_, left_over = page(run.title, _notes(run), least + foot + head)
    high = left_over - foot - head
    top = foot + high
    if not heights:
        _loss(panel(page_, 0.8, foot, WIDTH - 0.8 - 1.15, high, "loss"), run)
        return page_
    _loss(panel(page_, 0.8, foot, 3.7, high, "loss"), run)
    unit = (high - gaps * (len(heights) - 1)) / sum(heights)
    best = None if run.best is None else float(run.epochs[run.best])
    below: list[str | Quantity] = [*run.metrics, *run.strips]
    for at, shown in enumerate(below):
        top -= heights[at] * unit
        heading = _heading(shown) if isinstance(shown, str) else shown.heading
        axes = panel(page_, 6.2, top, 2.75, heights[at] * unit, heading)
        _metric(axes, run, shown) if isinstance(shown, str) else strip(axes, shown, run.columns, best)
        if at + 1 < len(heights):
            axes.set_xlabel("")
            axes.set_xticklabels([])
        top -= gaps
    return page_


def _heading(name: str) -> str:
    return WORDS.get(name, name.replace("_", " ")) + (", %" if name in PERCENT else "")


def _notes(run: Run) -> list[tuple[str, str]]:
    notes = []
    if run.status in TOLD:
        notes.append((f"{run.status}: {run.verdict}" if run.verdict else run.status, BAD))
    if run.constant_lr is not None:
        notes.append((f"constant learning rate {number(run.constant_lr)}", QUIET))
    return notes


def _loss(axes: Axes, run: Run) -> None:
    both = np.concatenate((run.columns["train_loss"], run.columns["val_loss"]))
    lost = run.lost
    _scale(axes, run, both, is_log(both), headroom=0.0 if lost is None else 0.1)
    curves = _pair(axes, run, run.columns["train_loss"], run.columns["val_loss"])
    if lost is not None:
        _cross(axes, run, lost)
    if run.best is not None:
        epoch, value = run.epochs[run.best], run.columns["val_loss"][run.best]
        _mark(axes, epoch, value, f"best {number(value)}\nepoch {epoch:,.0f}", curves)
    if not len(run.epochs):
        axes.text(0.5, 0.5, "no epoch was completed", transform=axes.transAxes, ha="center", color=QUIET)


def _metric(axes: Axes, run: Run, name: str) -> None:
    percent = name in PERCENT
    factor = 100.0 if percent else 1.0
    train, val = (run.columns[f"{part}_{name}"] * factor for part in ("train", "val"))
    both = np.concatenate((train, val))
    _scale(axes, run, both, not percent and is_log(both))
    curves = _pair(axes, run, train, val)
    if run.best is not None and np.isfinite(val[run.best]):
        label = f"{val[run.best]:.1f} %" if percent else number(val[run.best])
        _mark(axes, run.epochs[run.best], val[run.best], label, curves)


def _scale(axes: Axes, run: Run, values: Values, log: bool, headroom: float = 0.0) -> None:
    set_y(axes, values, log, headroom)
    first, last = (run.epochs[0], run.epochs[-1]) if len(run.epochs) else (0.0, 1.0)
    set_epochs(axes, float(first), float(last))


def _pair(axes: Axes, run: Run, train: Values, val: Values) -> list[tuple[Values, Values]]:
    """Both curves with their names at the right end; returns their points."""
    curves, names, ends = [], [], []
    for (name, colour, dash, width, face), values in zip(SERIES, (train, val), strict=True):
        x, y = thin(*measured(run.epochs, values))
        if not len(x):
            continue
        dot = "o" if len(x) <= FEW else ""
        axes.plot(
            x, y, color=colour, ls=dash, lw=width, marker=dot, ms=5, mfc=face, mew=1.4, label=name, clip_on=not dot
        )
        curves.append((x, y))
        names.append((name, colour))
        ends.append(float(axes.transData.transform((x[-1], y[-1]))[1]))
    box = axes.get_window_extent()
    point = DPI / 72
    places = apart(ends, 14 * point, box.y0 + 4 * point, box.y1 - 4 * point)
    for (name, colour), place in zip(names, places, strict=True):
        at = (place - box.y0) / box.height
        axes.text(1.02, at, name, transform=axes.transAxes, color=colour, va="center", weight="bold", size=10.5)
    return curves


def _cross(axes: Axes, run: Run, row: int) -> None:
    """The row where the loss is lost, at the top edge because that is where it went."""
    x = float(run.epochs[row])
    axes.plot([x], [0.955], transform=axes.get_xaxis_transform(), marker="x", ms=10, mew=2.6, color=BAD, zorder=5)
    right = axes.transLimits.transform((x, 1.0))[0] > 0.5
    label = "diverged" if run.status == "diverged" else "not finite"
    axes.annotate(
        label, (x, 0.955), xycoords=axes.get_xaxis_transform(), xytext=(-10 if right else 10, 0),
        textcoords="offset points", ha="right" if right else "left", va="center", color=BAD, weight="bold",
    )  # fmt: skip


def _mark(axes: Axes, x: float, y: float, label: str, curves: Sequence[tuple[Values, Values]]) -> None:
    """A ring at the best epoch, and its label where it covers the least of the curves."""
    axes.axvline(x, color=QUIET, lw=0.8, ls=":", zorder=1)
    axes.plot([x], [y], marker="o", ms=9, mfc="white", mec=VALIDATION, mew=2.4, zorder=6, clip_on=False)
    dx, dy = _free_side(axes, x, y, label, curves)
    axes.annotate(
        label, (x, y), xytext=(dx, dy), textcoords="offset points", ha="center", va="center", size=11, weight="bold",
        color=VALIDATION, linespacing=1.15, zorder=7, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
    )  # fmt: skip


def _free_side(
    axes: Axes, x: float, y: float, label: str, curves: Sequence[tuple[Values, Values]]
) -> tuple[float, float]:
    """The offset in points, out of a few around (x, y), at which the label meets the fewest points of the curves."""
    dot = DPI / 72
    lines = label.split("\n")
    half_width = 36 * max(text_width(line, 11, bold=True) for line in lines) + 3
    half_height = 7.5 * len(lines) + 2
    # 300 places along each curve: one a label's letter or finer, also where the curve has two points.
    grid = np.linspace(*axes.get_xlim(), 300)
    seen = [
        axes.transData.transform(np.column_stack((inside, np.interp(inside, *curve)))) / dot
        for curve in curves
        if (inside := grid[(grid >= curve[0][0]) & (grid <= curve[0][-1])]).size
    ]
    points = np.concatenate([*seen, *(axes.transData.transform(np.column_stack(curve)) / dot for curve in curves)])
    here = axes.transData.transform((x, y)) / dot
    box = axes.get_window_extent()
    beside = ((1, 0), (-1, 0), (1, 0.6), (1, -0.6), (-1, 0.6), (-1, -0.6), (0, 1), (0, -1))
    corners = ((1, 1), (1, -1), (-1, 1), (-1, -1))
    offsets = [
        (side * (half_width + reach if abs(side) == 1 else half_width), up * (half_height + reach))
        for reach in (9, 18, 30)
        for up, side in (*beside, *corners)
    ]

    def covered(offset: tuple[float, float]) -> int:
        low, high = (here + np.add(offset, np.multiply((half_width, half_height), sign)) for sign in (-1, 1))
        outside = (low < (box.x0 / dot, box.y0 / dot)).any() or (high > (box.x1 / dot, box.y1 / dot)).any()
        return int(((points > low) & (points < high)).all(axis=1).sum()) + (10_000 if outside else 0)

    return min(offsets, key=covered)
