"""All axes side by side: each setting a line from value to value, to its best validation loss at the right.

The darker, the better, by rank; the best one is orange, and diverged ones are red and end at the top. Where many lines
go through one value they are spread around it in the order of their ranks, the best at the bottom: the stack at a value
then shows how settings with it fare, whatever the neighbouring axes are (Inselberg 1985, The plane with parallel
coordinates, has the figure without the spread, in which lines through one value hide each other).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.figure import Figure

from runner.plot.base import (
    BAD,
    INK,
    MARGIN,
    QUIET,
    TRAIN,
    WIDTH,
    Values,
    cut,
    is_log,
    limits,
    linear_ticks,
    log_ticks,
    number,
    panel,
    text_width,
)
from runner.plot.panel.base import Setting, Sweep, short, spread

LEAST = 3  # axes; two are a heat map, which says more
HIGH = 3.0  # inches
LINES = 1000  # settings that are drawn: one for every half pixel of the height
FEW = 12  # values of a number that stand at equal distances; more of them stand where they are
NAMES = 16  # that can be read on an axis
SHADES = LinearSegmentedColormap.from_list("rank", ["#12365e", "#4f81b5", "#a9c6e3", "#d5e0ea"])
LOST = 1.09  # the height at which diverged settings end; the axes go from 0 to 1


@dataclass(frozen=True)
class Scale:
    """The heights of the values of an axis and the names at some of them; `gap` is what a value has for itself."""

    heights: dict[str, float]
    names: list[tuple[float, str]]
    gap: float


def draw(slide: Figure, foot: float, sweep: Sweep) -> None:
    """Add the panel, from `foot` inches up and `HIGH` inches high, over the whole width."""
    ended = [setting for setting in sweep.ranked if setting.kept or setting.lost]
    shown = spread(ended, LINES)
    scales = [_scale(sweep, axis) for axis in sweep.live]
    losses, names = _losses(shown)
    left = max(0.8, MARGIN + 0.1 + max((text_width(name, 10.5) for _, name in scales[0].names), default=0.0))
    some = f" ({len(shown):,} of {len(ended):,}, evenly by rank)" if len(shown) < len(ended) else ""
    title = f"every axis, each line a setting{some}: the darker the better, orange the best"
    axes = panel(slide, left, foot, WIDTH - left - 0.9, HIGH, title)
    axes.set_xlim(0, len(scales))
    axes.set_ylim(-0.02, LOST + 0.03 if any(not setting.kept for setting in shown) else 1.03)
    axes.tick_params(length=0)
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xticks(range(len(scales) + 1), [*(_title(sweep, axis) for axis in sweep.live), "best validation\nloss"])
    columns = [_spread_out(shown, axis, scale) for axis, scale in zip(sweep.live, scales, strict=True)]
    _lines(axes, shown, np.column_stack([*columns, losses]))
    for at, scale in enumerate(scales):
        _rule(axes, at, scale.names, side=-1)
    _rule(axes, len(scales), names, side=1)
    if any(not setting.kept for setting in shown):
        axes.text(len(scales) + 0.02, LOST, "diverged", color=BAD, weight="bold", size=10.5, va="center", clip_on=False)


def _title(sweep: Sweep, axis: str) -> str:
    share = f"\n{100 * sweep.shares[axis]:.0f} % alone" if axis in sweep.shares else ""
    return cut(short(axis), 1.5) + share


def _scale(sweep: Sweep, axis: str) -> Scale:
    values = sweep.values(axis)
    if axis not in sweep.numeric or len(values) <= FEW:
        heights = {value: (at + 0.5) / len(values) for at, value in enumerate(values)}
        named = [(heights[value], cut(value, 1.2)) for value in spread(values, NAMES)]
        return Scale(heights, named, 1 / len(values))
    numbers = np.array([float(value) for value in values])
    log = bool((numbers > 0).all()) and (short(axis) == "lr" or is_log(numbers))
    places, named = _on_scale(numbers, numbers, log)
    return Scale(dict(zip(values, places.tolist(), strict=True)), named, 0.0)


def _on_scale(numbers: Values, span: Values, log: bool) -> tuple[Values, list[tuple[float, str]]]:
    """Heights from 0 to 1 for numbers on a scale that holds `span`, and the names of round numbers on it."""
    low, high = limits(span, log, room=0.0)

    def height(value: Values) -> Values:
        share = np.log(value / low) / np.log(high / low) if log else (value - low) / (high - low)
        return np.asarray(share, dtype=np.float64)

    ticks = log_ticks(low, high, 6) if log else linear_ticks(low, high, 5)
    places = height(np.array(ticks)).tolist()
    return height(numbers), [(place, number(tick)) for place, tick in zip(places, ticks, strict=True)]


def _losses(shown: Sequence[Setting]) -> tuple[Values, list[tuple[float, str]]]:
    best = np.array([setting.best for setting in shown])
    heights, names = _on_scale(best, best, is_log(best))
    return np.where(np.isfinite(heights), heights, LOST), names if np.isfinite(best).any() else []


def _spread_out(shown: Sequence[Setting], axis: str, scale: Scale) -> Values:
    """The heights of the settings on an axis; those with one value around it, the better ones lower."""
    held: dict[str, list[int]] = {}
    for at, setting in enumerate(shown):
        held.setdefault(setting.values[axis], []).append(at)
    heights = np.empty(len(shown))
    for value, places in held.items():
        # Three hundredths of an inch from line to line, and a third of the gap stays free.
        width = min(0.65 * scale.gap, 0.01 * len(places))
        heights[places] = scale.heights[value] + width * ((np.arange(len(places)) + 0.5) / len(places) - 0.5)
    return heights


def _lines(axes: Axes, shown: Sequence[Setting], heights: Values) -> None:
    """All lines, the worst first, so that better ones lie on top."""
    kept = sum(bool(setting.kept) for setting in shown)
    # The square root gives the best tenth of the settings a third of the shades.
    shades = SHADES(np.sqrt(np.arange(kept) / max(kept - 1, 1)))
    # Diverged lines have one colour and one end, so many of them would cover the page.
    colours = [
        *map(tuple, shades.tolist()),
        *[to_rgba(BAD, min(1.0, max(0.35, 30 / max(len(shown), 1))))] * (len(shown) - kept),
    ]
    width, alpha = next(
        (w, a) for most, w, a in ((30, 1.8, 0.9), (300, 1.0, 0.8), (LINES, 0.6, 0.7)) if len(shown) <= most
    )
    colours = [(red, green, blue, alpha * own) for red, green, blue, own in colours]
    points = np.stack([np.broadcast_to(np.arange(heights.shape[1]), heights.shape), heights], axis=-1)
    axes.add_collection(
        # Thousands of lines are an image in the SVG, which would take seconds to open.
        LineCollection(list(points[::-1]), colors=colours[::-1], linewidths=width, rasterized=len(shown) > 300),
        autolim=False,
    )
    if kept:
        axes.plot(points[0, :, 0], points[0, :, 1], color="white", lw=4.4, zorder=3, clip_on=False)
        axes.plot(points[0, :, 0], points[0, :, 1], color=TRAIN, lw=2.6, zorder=3, clip_on=False)


def _rule(axes: Axes, at: int, names: Sequence[tuple[float, str]], side: int) -> None:
    """The vertical line of an axis with the names of its values, at its left or, side 1, at its right."""
    axes.plot([at, at], [0, 1], color=QUIET, lw=0.8, zorder=2, clip_on=False)
    for height, name in names:
        axes.annotate(
            name, (at, height), xytext=(5 * side, 0), textcoords="offset points", ha="left" if side > 0 else "right",
            va="center", size=10.5, color=INK, zorder=6, annotation_clip=False,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.6},
        )  # fmt: skip
