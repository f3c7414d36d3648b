"""Best and final validation loss against a number: one line a group, diverged runs as crosses at the top."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import matplotlib.ticker
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from runner.plot.base import (
    BAD,
    DPI,
    QUIET,
    cut,
    is_log,
    limits,
    linear_ticks,
    log_ticks,
    number,
    panel,
    set_y,
    text_width,
)
from runner.plot.panel.base import Group, Setting, Sweep, crosses, short

FEW = 40  # values of the axis that have a marker each; more of them would touch


def draw(slide: Figure, foot: float, high: float, sweep: Sweep) -> None:
    """Add the panel for the first numeric axis, from `foot` inches up and `high` inches high."""
    axis = sweep.numeric[0]
    axes = panel(slide, 5.75, foot, 3.95, high, "validation loss:  ● best   ○ final")
    rest = [short(other) for other in sweep.live if other not in (axis, *sweep.colour_axes)]
    if sweep.words:
        by_line = [(group, _best_along(group.settings, axis)) for group in sweep.groups if group.named]
    else:
        by_line = [(sweep.groups[0], _best_along(sweep.settings, axis))]
    x_values = np.array([float(value) for value in sweep.values(axis)])
    log_x = bool((x_values > 0).all()) and (short(axis) == "lr" or is_log(x_values))
    shown = [v for _, along in by_line for s in along for v in (s.best, s.final, *(job.best for job in s.kept))]
    lost = Counter(float(s.values[axis]) for _, along in by_line for s in along if s.lost)
    stack = min(max(lost.values(), default=0), 5)
    headroom = 0.03 + 0.05 * stack if stack else 0.0
    losses = np.array(shown, dtype=np.float64)
    set_y(axes, losses, is_log(losses), headroom)
    _set_swept(axes, sweep.values(axis), log_x)
    axes.set_xlabel(cut(short(axis) + (f"   (best over {', '.join(rest)})" if rest else ""), 4.2, 11))
    used: Counter[float] = Counter()
    lost_at = []
    for group, along in by_line:
        _line(axes, sweep, group, [s for s in along if s.kept], axis)
        for setting in along:
            if setting.lost:
                x = float(setting.values[axis])
                height = 0.965 - 0.05 * min(used[x], 4)
                lost_at.append((x, height, group.colour if sweep.words else BAD))
                if setting.kept and len(x_values) <= FEW:
                    axes.annotate(
                        f"{setting.lost} of {len(setting.jobs)}", (x, height), xycoords=axes.get_xaxis_transform(),
                        xytext=(-7, 0), textcoords="offset points", size=9, ha="right", va="center", color=QUIET,
                    )  # fmt: skip
                used[x] += 1
    crosses(axes, lost_at)
    if lost:
        _say_diverged(axes, headroom)


def _best_along(settings: Iterable[Setting], axis: str) -> list[Setting]:
    """The best setting at each value of the axis, from small to large."""
    held: dict[float, Setting] = {}
    for setting in settings:
        x = float(setting.values[axis])
        held[x] = min(held.get(x, setting), setting, key=lambda one: one.rank)
    return [held[x] for x in sorted(held)]


def _line(axes: Axes, sweep: Sweep, group: Group, along: list[Setting], axis: str) -> None:
    x = np.array([float(setting.values[axis]) for setting in along])
    best = np.array([setting.best for setting in along])
    half = np.array([setting.half for setting in along])
    colour = group.colour if sweep.words else QUIET
    few = len(x) <= FEW
    axes.plot(
        x, [s.final for s in along], color=colour, ls=":", lw=1.1, marker=group.marker if few else "", ms=5.5,
        mfc="white",
    )  # fmt: skip
    if few and half.any():
        axes.vlines(x, best - half, best + half, color=colour, lw=1.4, alpha=0.7)
    elif half.any():
        axes.fill_between(x, best - half, best + half, color=colour, alpha=0.3, lw=0)
    marker = group.marker if sweep.words and few else ""
    axes.plot(x, best, color=colour, ls=group.dash, lw=2.2 if few else 1.2, marker=marker, ms=7, zorder=4)
    if not sweep.words:  # each dot in the colour of its curve
        own = {one.champion.values[axis]: one for one in sweep.groups}
        if few:
            for setting in along:
                one = own[setting.values[axis]]
                axes.plot([float(setting.values[axis])], [setting.best], one.marker, color=one.colour, ms=9, zorder=5)
        else:
            axes.scatter(x, best, s=3, c=[own[setting.values[axis]].colour for setting in along], zorder=5)


def _set_swept(axes: Axes, values: list[str], log: bool) -> None:
    """The swept values themselves as ticks, as they were typed, or round numbers where they are too many to read."""
    numbers = [float(value) for value in values]
    low, high = limits(np.array(numbers), log)
    if log:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
    axes.set_xlim(low, high)
    inches = [axes.transData.transform((x, 1.0))[0] / DPI for x in numbers]
    widths = [text_width(value, 10.5) for value in values]
    if all(b - a > (wa + wb) / 2 + 0.08 for a, b, wa, wb in zip(inches, inches[1:], widths, widths[1:], strict=False)):
        axes.set_xticks(numbers, values)
    else:
        ticks = log_ticks(low, high, 6) if log else linear_ticks(low, high, 5)
        axes.set_xticks(ticks, [number(tick) for tick in ticks])


def _say_diverged(axes: Axes, headroom: float) -> None:
    """The line under the crosses, and the word where the axis has its numbers: there no cross can be in its way."""
    axes.plot([0, 1], [1 - headroom] * 2, transform=axes.transAxes, color=QUIET, lw=0.7, ls=(0, (2, 3)))
    axes.text(
        -0.02, 1 - headroom / 2, "diverged", transform=axes.transAxes, color=BAD, weight="bold", size=10.5, ha="right",
        va="center",
    )  # fmt: skip
