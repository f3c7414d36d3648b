"""Settings in the order of their best validation loss, each seed a dot."""

from __future__ import annotations

import matplotlib.ticker
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from runner.plot.base import BAD, MARGIN, WIDTH, cut, is_log, limits, linear_ticks, log_ticks, number, panel, text_width
from runner.plot.panel.base import Group, Setting, Sweep, short

ROWS = 14  # that can be read on one slide


def draw(slide: Figure, foot: float, high: float, sweep: Sweep) -> None:
    """Add the panel, from `foot` inches up and `high` inches high; of one setting it has the runs."""
    alone = len(sweep.settings) == 1
    entries = [(group, s) for group in sweep.groups for s in group.settings]
    if alone:
        entries = [(sweep.groups[0], Setting({a: job.values[a] for a in sweep.seeds}, (job,))) for job in sweep.jobs]
    entries.sort(key=lambda entry: entry[1].rank)
    shown, hidden = entries[:ROWS], len(entries) - ROWS
    names = [cut(", ".join(f"{short(a)} {v}" if alone else v for a, v in s.values.items()), 2.2) for _, s in shown]
    left = 5.2 + max([text_width(name, 10.5) for name in names], default=0.0)
    means = max((text_width(number(s.best), 10.5) for _, s in shown if s.kept), default=0.0) + 0.12
    axes = panel(slide, left, foot, WIDTH - MARGIN - left - means, high, "best validation loss")
    values = np.array([job.best for _, s in shown for job in s.kept])
    log = is_log(values)
    any_lost = any(s.lost for _, s in shown)
    low, top = limits(values, log, headroom=0.16 if any_lost else 0.0)
    if log:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
    ticks = log_ticks(low, top, 4) if log else linear_ticks(low, top, 3)
    axes.set_xticks(ticks, [number(tick) for tick in ticks])
    axes.set_xlim(low, top)
    axes.grid(axis="x")
    for row, (group, setting) in enumerate(shown):
        _row(axes, row, group, setting)
    axes.set_yticks(range(len(shown)), names)
    axes.set_ylim(max(len(shown), 4) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    if hidden > 0:
        axes.set_xlabel(f"the best {ROWS} of {len(entries)}")


def _row(axes: Axes, row: int, group: Group, setting: Setting) -> None:
    seeds = [job.best for job in setting.kept]
    axes.plot(seeds, [row] * len(seeds), "o", color=group.colour, ms=5, alpha=0.45, mew=0)
    if setting.kept:
        axes.hlines(row, setting.best - setting.half, setting.best + setting.half, color=group.colour, lw=1.4)
        axes.plot([setting.best], [row], group.marker, color=group.colour, ms=10, mec="white", zorder=4)
        # In a column of its own, where neither the bars nor the dots can lie under it.
        axes.annotate(number(setting.best), (1, row), xytext=(7, 0), xycoords=axes.get_yaxis_transform(),
                      textcoords="offset points", size=10.5, va="center")  # fmt: skip
    if setting.lost:
        text = f"{setting.lost} of {len(setting.jobs)} ×" if len(setting.jobs) > 1 else "diverged ×"
        axes.text(1, row, text, transform=axes.get_yaxis_transform(), color=BAD, ha="right", va="center", size=10.5)
