"""What the probes saw, over the epochs: a small panel for each quantity, with a line for each layer or size.

Columns whose names differ in a number at the end (`dead_1`, `dead_2`) are one quantity. Its lines go from dark to light
with that number, and the first and the last are named. The bound of a quantity is a dashed line beside it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from runner.plot.base import BAD, INK, WIDTH, Values, is_log, measured, page, panel, set_epochs, set_y, thin

FEW = 20  # up to so many points each one is shown
BESIDE = {"stable_below": "sharpness"}  # a bound, and what it bounds
FOR_LONG = {"lr": "learning rate"}
ACROSS, HIGH, GAP = 3, 1.45, 0.62  # panels in a row; inches of a panel, and between two of them


@dataclass(frozen=True)
class Quantity:
    """Columns that belong into one panel: (what is written beside its line, name) of each, and of its bound."""

    name: str
    lines: tuple[tuple[str, str], ...]
    bound: str | None = None

    @property
    def heading(self) -> str:
        return FOR_LONG.get(self.name, self.name.replace("_", " "))


def quantities(names: Sequence[str]) -> list[Quantity]:
    """The panels for these columns.

    >>> [(each.heading, each.lines) for each in quantities(["dead_1", "alpha", "dead_2"])]
    [('dead', (('1', 'dead_1'), ('2', 'dead_2'))), ('alpha', (('', 'alpha'),))]
    """
    found: dict[str, list[tuple[str, str]]] = {}
    for name in names:
        if BESIDE.get(name) in names:
            continue
        numbered = re.fullmatch(r"(.+)_(\d+)", name)
        found.setdefault(numbered[1] if numbered else name, []).append((numbered[2] if numbered else "", name))
    bounds = {of: bound for bound, of in BESIDE.items() if bound in names}
    return [Quantity(name, tuple(lines), bounds.get(name)) for name, lines in found.items()]


def draw(axes: Axes, quantity: Quantity, columns: Mapping[str, Values], best: float | None) -> None:
    """The lines of a quantity; `best`: the epoch that is marked."""
    epochs = columns["epoch"]
    shown = [name for _, name in quantity.lines] + ([quantity.bound] if quantity.bound else [])
    values = np.concatenate([columns[name] for name in shown])
    set_y(axes, values, is_log(values))
    set_epochs(axes, *((float(epochs[0]), float(epochs[-1])) if len(epochs) else (0.0, 1.0)))
    count = len(quantity.lines)
    shades = [INK] if count == 1 else matplotlib.colormaps["viridis"](np.linspace(0, 0.84, count))
    ends: list[tuple[float, str, object]] = []
    for (label, name), colour in zip(quantity.lines, shades, strict=True):
        x, y = thin(*measured(epochs, columns[name]))
        axes.plot(x, y, color=colour, lw=1.6, marker="o" if len(x) <= FEW else "", ms=3.5)
        if len(x):
            ends.append((float(y[-1]), label, colour))
    if quantity.bound is not None:
        axes.plot(*thin(*measured(epochs, columns[quantity.bound])), color=BAD, lw=1.2, ls=(0, (4, 2)))
    if count > 1:
        named(axes, ends)
    if best is not None:
        axes.axvline(best, color="0.5", lw=0.8, ls=":", zorder=1)


def named(axes: Axes, ends: Sequence[tuple[float, str, object]]) -> None:
    """Numbers at the right end of the lines, as many as there is room for: the outermost first."""
    box = axes.get_window_extent()
    taken: list[float] = []
    order = sorted(range(len(ends)), key=lambda k: min(k, len(ends) - 1 - k))
    for k in order:
        value, label, colour = ends[k]
        at = (axes.transData.transform((0, value))[1] - box.y0) / box.height
        if all(abs(at - other) > 0.13 for other in taken):
            taken.append(at)
            axes.text(1.015, at, label, transform=axes.transAxes, color=colour, va="center", size=9, weight="bold")


def slide(
    title: str, notes: Sequence[tuple[str, str]], found: Sequence[Quantity], columns: Mapping[str, Values],
    best: float | None,
) -> Figure:  # fmt: skip
    """A slide of panels, three in a row."""
    rows = -(-len(found) // ACROSS)
    foot, head = 0.62, 0.45
    body = rows * HIGH + (rows - 1) * GAP
    figure, left_over = page(title, notes, body + foot + head)
    top = left_over - head
    left, gap = 0.8, 0.95
    width = (WIDTH - left - 0.5 - (ACROSS - 1) * gap) / ACROSS
    for at, quantity in enumerate(found):
        row, column = divmod(at, ACROSS)
        bottom = top - (row + 1) * HIGH - row * GAP
        axes = panel(figure, left + column * (width + gap), bottom, width, HIGH, quantity.heading)
        draw(axes, quantity, columns, best)
        if at + ACROSS < len(found):
            axes.set_xlabel("")
            axes.set_xticklabels([])
    return figure
