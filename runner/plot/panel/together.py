"""The validation losses of all runs over the epochs: each group's best setting strong, the others thin."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from runner.plot.base import is_log, panel, set_epochs, set_y, thin
from runner.plot.panel.base import Group, Job, Sweep, cross, together


def draw(slide: Figure, foot: float, high: float, sweep: Sweep) -> None:
    """Add the panel, from `foot` inches up and `high` inches high."""
    axes = panel(slide, 0.8, foot, 3.9, high, "validation loss")
    jobs = [job for job in sweep.jobs if len(job.epochs)]
    crosses = [(job, group) for group in sweep.groups for s in group.settings for job in s.jobs if job.lost]
    strong = [job for group in sweep.groups if group.named for job in group.champion.kept]
    _set_losses(axes, jobs, strong, headroom=0.08 if crosses else 0.0)
    first = min((job.epochs[0] for job in jobs), default=0.0)
    ends = [job.epochs[-1] for job in jobs] + [job.lost_in for job in jobs if job.lost_in is not None]
    set_epochs(axes, float(first), float(max(ends, default=1.0)))
    thin_ones = [(s, g) for g in sweep.groups for s in g.settings if s is not g.champion or not g.named]
    # Few thin lines may be seen well, many are a shade.
    alpha = min(0.45, max(0.15, 12 / max(len(thin_ones), 1)))
    segments = [np.column_stack(thin(*together(setting)[:2], 100)) for setting, _ in thin_ones]
    colours = [group.colour for _, group in thin_ones]
    axes.add_collection(LineCollection(segments, colors=colours, linewidths=1.0, alpha=alpha), autolim=False)
    for at, group in enumerate(group for group in sweep.groups if group.named):
        _strong(axes, group, at)
    for job, group in crosses:
        x = job.lost_in if job.lost_in is not None else first
        cross(axes, x, 0.965, group.colour)


def _set_losses(axes: Axes, jobs: Sequence[Job], strong: Sequence[Job], headroom: float) -> None:
    """The range of the strong curves, and of the thin ones up to where a typical run starts: a run that explodes
    leaves the panel at the top instead of flattening all others."""
    every = np.concatenate([np.empty(0), *(job.losses for job in jobs)])
    core = np.concatenate([np.empty(0), *(job.losses for job in strong)])
    starts = [job.losses[0] for job in jobs]
    ceiling = max([float(np.median(starts)) if starts else math.inf, *core.tolist()])
    set_y(axes, (shown := every[every <= ceiling]), is_log(shown), headroom)


def _strong(axes: Axes, group: Group, at: int) -> None:
    """A group's best setting: mean, band, and what comes after the shortest run or from a diverged one."""
    x, mean, low, high = together(group.champion)
    end = x[-1] if len(x) else 0.0
    alone = [
        np.column_stack((job.epochs, job.losses))[job.epochs >= (0.0 if job.lost else end)]
        for job in group.champion.jobs
    ]
    axes.add_collection(LineCollection(alone, colors=group.colour, linewidths=0.9), autolim=False)
    if not len(x):
        return
    rows = np.isin(x, thin(x, mean)[0])
    x, mean, low, high = x[rows], mean[rows], low[rows], high[rows]
    if len(group.champion.jobs) > 1:
        axes.fill_between(x, low, high, color=group.colour, alpha=0.18, lw=0)
    # About six markers a line, not at the same epochs as its neighbour's.
    every = max(1, len(x) // 6)
    axes.plot(
        x, mean, color=group.colour, ls=group.dash, lw=2.2, marker=group.marker, ms=5.5, mec="white", mew=0.6,
        markevery=list(range((at * every // 3) % every, len(x), every)), zorder=4, clip_on=len(x) > 1,
    )  # fmt: skip
