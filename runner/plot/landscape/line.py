"""The loss on the line from the start of a run to its end: training solid, validation dashed, a colour for each run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from runner.plot.base import INK, MARGIN, QUIET, WIDTH, Values, is_log, look, page, panel, save, set_y
from runner.plot.landscape.beside import BESIDE, Name, Sign, beside, styles

LEFT, FOOT, HEAD = 0.95, 0.68, 0.5  # inches around the panel
DASH = (0, (3.5, 1.6))
ROOF = 2.0  # times the highest loss between the ends: what lies above it beyond them is cut off


@dataclass(frozen=True)
class Line:
    """Training and validation losses `[n]` at `alphas [n]`, 0 and 1 among them, and what is told of them."""

    name: str
    optimizer: str
    told: str
    alphas: Values
    train: Values
    validation: Values


def draw(folder: Path, stem: str, title: str, note: str, lines: Sequence[Line]) -> list[Path]:
    """Draw `stem.png` and `stem.svg`; returns the two paths. Raises `DiskError` if they cannot be written."""
    with look():
        slide, left_over = page(title, [(note, QUIET)], 3.0 + FOOT + HEAD)
        high = left_over - FOOT - HEAD
        axes = panel(slide, LEFT, FOOT, WIDTH - LEFT - BESIDE - MARGIN, high, "loss")
        place_axes(axes, lines)
        looks = styles([line.optimizer for line in lines])
        for line, (colour, _) in zip(lines, looks, strict=True):
            axes.plot(line.alphas, line.validation, color=colour, lw=1.5, ls=DASH, zorder=3)
            axes.plot(line.alphas, line.train, color=colour, lw=2.4, zorder=4)
            mark(axes, line, colour)
        names = [
            Name(each.name, (each.told,), (colour, "solid")) for each, (colour, _) in zip(lines, looks, strict=True)
        ]
        signs = [Sign("training"), Sign("validation", dash=DASH)]
        signs += [Sign("start", marker="o", face="white", edge=INK), Sign("end", marker="o", edge="white")]
        beside(slide, names, signs, FOOT, FOOT + high)
        return save(slide, folder, stem)


def place_axes(axes: Axes, lines: Sequence[Line]) -> None:
    """Limits by what lies between the ends, and a little above: far beyond them losses grow without end."""
    within = np.concatenate(
        [each[(line.alphas >= 0) & (line.alphas <= 1)] for line in lines for each in (line.train, line.validation)]
    )
    every = np.concatenate([each for line in lines for each in (line.train, line.validation)])
    finite = within[np.isfinite(within)]
    set_y(
        axes, np.minimum(every, ROOF * finite.max(initial=0.0)) if finite.max(initial=0.0) > 0 else every, is_log(every)
    )
    alphas = lines[0].alphas
    axes.set_xlim(float(alphas[0]), float(alphas[-1]))
    ticks = [0.0, 0.25, 0.5, 0.75, 1.0]
    axes.set_xticks(ticks, ["0", "0.25", "0.5", "0.75", "1"])
    axes.set_xlabel("alpha: parameters (1 - alpha) start + alpha end")
    for end in (0.0, 1.0):
        axes.axvline(end, color=QUIET, lw=0.8, zorder=1)


def mark(axes: Axes, line: Line, colour: str) -> None:
    """The start and the end of a run."""
    first, last = (int(np.flatnonzero(line.alphas == alpha)[0]) for alpha in (0.0, 1.0))
    axes.plot([0.0], line.train[[first]], "o", color="white", mec=INK, mew=1.8, ms=9, zorder=7)
    axes.plot([1.0], line.train[[last]], "o", color=colour, mec="white", mew=1.3, ms=9, zorder=6)
