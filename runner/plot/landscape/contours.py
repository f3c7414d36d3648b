"""A landscape with the paths of several runs: contours of the loss on a plane, or its curve over one parameter.

The ground is grey, white in the valleys: the colours are those of the runs, in each figure the same for the same
optimizer. Levels grow by one factor from line to line where the loss has a lowest place to be measured from, so that a
ravine shows as a ravine; elsewhere they are even. All names stand beside the panel, where no path goes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from runner.plot.base import (
    INK,
    MARGIN,
    QUIET,
    WIDTH,
    Values,
    linear_ticks,
    look,
    number,
    page,
    panel,
    save,
    set_y,
    tick_labels,
)  # fmt: skip
from runner.plot.landscape.beside import BESIDE, Name, Sign, beside, inches, styles

LEFT, FOOT, HEAD = 0.95, 0.68, 0.12  # inches around the panel
BAR = 0.95  # for the scale of the loss
MOST = 15  # contours: more of them are a grey area
FACTORS = (10**0.125, 10**0.25, 10 ** (1 / 3), 10**0.5, 10.0, 100.0, 1e4)  # from one level to the next
DEEPEST = 0.004  # share of the panel within the lowest contour, where a fine grid is
FEWEST = 40  # points within it, where it is coarse: enough for a round line
TOLD = 9  # of the levels that have a number
EVEN = 16  # contours of a loss without a lowest place
GROUND = LinearSegmentedColormap.from_list("ground", ["#ffffff", "#dfe3e8", "#aab2bd"])
WIDEST, NARROWEST = 3.8, 1.7  # of paths, the first one below: where they lie on one another each is seen
LONG, MOVING = 0.02, 0.002  # of the panel: steps so long in the mean have a dot each; shorter ones do not count


@dataclass(frozen=True)
class Track:
    """Where a run was `x [n]`, `y [n]` after `steps [n]`.

    told  what is to be said of it, in short lines
    lost  whether it diverged
    """

    name: str
    optimizer: str
    told: tuple[str, ...]
    lost: bool
    steps: Values
    x: Values
    y: Values


def ended(track: Track) -> Track:
    """Its last place alone."""
    return replace(track, steps=track.steps[-1:], x=track.x[-1:], y=track.y[-1:])


@dataclass(frozen=True)
class Shown:
    """What a figure shows.

    labels  of the two axes
    x, y    `[n]`, `[m]`, where the loss is known; y is empty for a curve
    losses  `[m, n]`, or `[n]` of a curve
    floor   the loss that levels are measured from, None where there is no lowest
    minima  places to mark
    even    whether both axes have one scale
    start   whether the tracks begin where all runs began
    """

    title: str
    notes: tuple[str, ...]
    labels: tuple[str, str]
    x: Values
    y: Values
    losses: Values
    floor: float | None
    tracks: tuple[Track, ...]
    minima: tuple[tuple[float, float], ...]
    even: bool
    start: bool = True


@dataclass(frozen=True)
class Levels:
    """Where contours are drawn, `values`, of the loss above `floor`; by one factor, or evenly (`factor` None)."""

    values: Values
    floor: float
    factor: float | None


@dataclass(frozen=True)
class Drawn:
    """A figure with what moves in it: for each track its lines, which lie on one another, and its head; the start."""

    figure: Figure
    axes: Axes
    lines: tuple[tuple[Line2D, ...], ...]
    heads: tuple[Line2D, ...]
    start: Line2D


def draw(folder: Path, stem: str, shown: Shown) -> list[Path]:
    """Draw `stem.png` and `stem.svg`; returns the two paths. Raises `DiskError` if they cannot be written."""
    with look():
        return save(figure(shown).figure, folder, stem)


def figure(shown: Shown) -> Drawn:
    """The slide; to be called inside `look()`."""
    levels = levels_of(shown.losses, shown.floor) if shown.y.size else None
    words = [in_words(levels)] if levels else []
    words += [] if shown.even else ["the two axes have scales of their own"]
    notes = [(note, QUIET) for note in (*shown.notes[:-1], " · ".join([*shown.notes[-1:], *words])) if note]
    slide, left_over = page(shown.title, notes, 3.4 + FOOT + HEAD)
    high = left_over - FOOT - HEAD
    wide = WIDTH - LEFT - BESIDE - BAR - MARGIN
    axes = panel(slide, LEFT, FOOT, wide, high, "")
    place_axes(axes, shown)
    if levels:
        scale = slide.add_axes(((LEFT + wide + 0.18) / WIDTH, FOOT / inches(slide), 0.13 / WIDTH, high / inches(slide)))
        ground(axes, scale, shown, levels)
    else:
        axes.plot(shown.x, shown.losses, color=QUIET, lw=1.6, zorder=2)
    looks = styles([track.optimizer for track in shown.tracks])
    widths = np.linspace(WIDEST, NARROWEST, len(looks)) if len(looks) > 1 else np.array([NARROWEST])
    lines = tuple(map(partial(path, axes), shown.tracks, looks, widths.tolist()))
    heads = tuple(map(partial(head, axes), shown.tracks, looks))
    start = marks(axes, shown)
    names = [Name(track.name, track.told, look) for track, look in zip(shown.tracks, looks, strict=True)]
    beside(slide, names, signs(shown), FOOT, FOOT + high)
    return Drawn(slide, axes, lines, heads, start)


def signs(shown: Shown) -> list[Sign]:
    """What the marks of a figure mean."""
    found = [Sign("start", marker="o", face="white", edge=INK)] if shown.start else []
    found += [Sign("end", marker="o", face=QUIET, edge="white")]
    found += [Sign("diverged", marker="X", face=QUIET, edge="white")] if any(each.lost for each in shown.tracks) else []
    found += [Sign("minimum", marker="*", face="white", edge=INK)] if shown.minima else []
    return found


def place_axes(axes: Axes, shown: Shown) -> None:
    """Limits, ticks and labels."""
    axes.set_xlim(float(shown.x[0]), float(shown.x[-1]))
    ticks = linear_ticks(float(shown.x[0]), float(shown.x[-1]), 6)
    axes.set_xticks(ticks, tick_labels(ticks))
    axes.set_xlabel(shown.labels[0])
    axes.set_ylabel(shown.labels[1])
    if not shown.y.size:
        set_y(axes, shown.losses, log=False)
        return
    axes.set_ylim(float(shown.y[0]), float(shown.y[-1]))
    ticks = linear_ticks(float(shown.y[0]), float(shown.y[-1]), 6)
    axes.set_yticks(ticks, tick_labels(ticks))
    if shown.even:
        axes.set_aspect("equal", adjustable="box", anchor="SW")
    for side in ("top", "right"):
        axes.spines[side].set_visible(True)


# ---- the ground


def levels_of(losses: Values, floor: float | None) -> Levels:
    """Contours that show the shape: by one factor above the floor, from the deepest that can be seen; else evenly."""
    finite = losses[np.isfinite(losses)]
    if floor is not None and (above := finite[finite > floor] - floor).size:
        deep = min(1.0, max(DEEPEST, FEWEST / losses.size))
        low, high = float(np.quantile(above, deep)), float(above.max())
        factor = next((each for each in FACTORS if math.log(high / low) / math.log(each) <= MOST), None)
        if factor is not None and high > 2 * low:
            first, last = (math.log(value) / math.log(factor) for value in (low, high))
            return Levels(factor ** np.arange(math.ceil(first), math.floor(last) + 1.0), floor, factor)
    flat = not finite.size or finite.min() == finite.max()
    return Levels(np.array([] if flat else linear_ticks(float(finite.min()), float(finite.max()), EVEN)), 0.0, None)


def in_words(levels: Levels) -> str:
    """What the contours say."""
    if levels.factor is None:
        return "contours of the loss, in even steps"
    above = "" if levels.floor == 0 else f" above {number(levels.floor)}"
    return f"contours of the loss{above}, from line to line × {number(levels.factor)}"


def ground(axes: Axes, scale: Axes, shown: Shown, levels: Levels) -> None:
    """The contours, and their scale."""
    axes.set_facecolor("#8a929c" if not np.isfinite(shown.losses).all() else "white")
    if len(levels.values) < 2:  # nothing to see, as on a plateau
        scale.set_visible(False)
        return
    above = np.ma.masked_invalid(shown.losses - levels.floor)
    values = levels.values
    shades = GROUND(np.linspace(0.0, 1.0, len(values) + 1))
    filled = axes.contourf(shown.x, shown.y, above, values, colors=shades, extend="both", zorder=0)
    axes.contour(
        shown.x, shown.y, above, values, colors="#8b95a1", linewidths=0.5, negative_linestyles="solid", zorder=1
    )
    bar = axes.figure.colorbar(filled, cax=scale, spacing="uniform", extendfrac=0.04)
    ticks = told_levels(levels)
    bar.set_ticks(ticks, labels=[number(tick) for tick in ticks])
    bar.ax.minorticks_off()
    bar.ax.tick_params(length=2, labelsize=9.5, pad=3)
    bar.outline.set_linewidth(0.5)


def told_levels(levels: Levels) -> list[float]:
    """The levels that have a number: powers of ten, where there are two or more, else all, or every second or third."""
    listed = [value for value in levels.values.tolist() if levels.factor and is_power(value)]
    listed = listed if len(listed) > 1 else levels.values.tolist()
    return listed[:: math.ceil(len(listed) / TOLD)]


def is_power(value: float) -> bool:
    """Whether it is a power of ten, up to rounding."""
    exponent = math.log10(value)
    return abs(exponent - round(exponent)) < 1e-9


# ---- the paths


def path(axes: Axes, track: Track, look: tuple[str, Any], width: float) -> tuple[Line2D, ...]:
    """The line of a track, white around it below all lines; a dot at every step, where these are long."""
    colour, dash = look
    size = width + 2.2 if strides(axes, track) > LONG else 0.0
    (around,) = axes.plot(track.x, track.y, color="white", lw=width + 1.6, zorder=3, solid_joinstyle="round")
    (line,) = axes.plot(
        track.x, track.y, color=colour, ls=dash, lw=width, marker="o" if size else "", ms=size, zorder=4,
        solid_joinstyle="round",
    )  # fmt: skip
    return around, line


def strides(axes: Axes, track: Track) -> float:
    """How long the steps of a track are in the mean, as a share of the panel; those that stay in place do not count."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    lengths = np.hypot(np.diff(track.x) / (right - left), np.diff(track.y) / (high - low))
    moving = lengths[lengths > MOVING]
    return float(moving.mean()) if moving.size else 0.0


def head(axes: Axes, track: Track, look: tuple[str, Any]) -> Line2D:
    """The end of a track."""
    marker = "X" if track.lost else "o"
    (found,) = axes.plot(track.x[-1:], track.y[-1:], marker, color=look[0], ms=9, mec="white", mew=1.3, zorder=6)
    return found


def marks(axes: Axes, shown: Shown) -> Line2D:
    """The minima, and the common start above all paths, where it is shown."""
    for x, y in shown.minima:
        axes.plot([x], [y], "*", color="white", mec=INK, mew=1.1, ms=20, zorder=5)
    first = shown.tracks[0]
    shows = slice(0, 1 if shown.start else 0)
    (start,) = axes.plot(first.x[shows], first.y[shows], "o", color="white", mec=INK, mew=1.8, ms=9, zorder=7)
    return start
