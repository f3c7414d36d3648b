"""The validation losses of all runs over the epochs, or over what these cost: each group's best setting strong, the
others thin."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from runner.plot.base import is_log, panel, set_epochs, set_y, thin
from runner.plot.panel.base import Group, Job, Sweep, crosses, together


def draw(slide: Figure, foot: float, high: float, sweep: Sweep) -> None:
    """Add the panel, from `foot` inches up and `high` inches high."""
    axes = panel(slide, 0.8, foot, 3.9, high, "validation loss")
    jobs = [job for job in sweep.jobs if len(job.epochs)]
    strong = [job for setting in sweep.champions for job in setting.kept]
    first = min((sweep.x(job)[0] for job in jobs), default=0.0)
    lost = [
        (first if job.lost_in is None else job.lost_at_cost if sweep.by_cost else job.lost_in, 0.965, group.colour)
        for group in sweep.groups
        for setting in group.settings
        for job in setting.jobs
        if job.lost
    ]
    _set_losses(axes, jobs, strong, headroom=0.08 if lost else 0.0)
    last = float(max([sweep.x(job)[-1] for job in jobs] + [x for x, _, _ in lost], default=1.0))
    set_epochs(axes, float(first), last, "cost, in gradients of all training examples" if sweep.by_cost else "epoch")
    # Few thin lines may be seen well, many are a shade.
    alpha = min(0.45, max(0.15, 12 / max(len(sweep.followers), 1)))
    colour_of = {id(setting): group.colour for group in sweep.groups for setting in group.settings}
    segments = [np.column_stack(thin(*together(sweep, setting)[:2], 100)) for setting in sweep.followers]
    colours = [colour_of[id(setting)] for setting in sweep.followers]
    axes.add_collection(LineCollection(segments, colors=colours, linewidths=1.0, alpha=alpha), autolim=False)
    for at, group in enumerate(group for group in sweep.groups if group.named):
        _strong(axes, sweep, group, at)
    crosses(axes, lost)


def _set_losses(axes: Axes, jobs: Sequence[Job], strong: Sequence[Job], headroom: float) -> None:
    """The range of the strong curves, and of the thin ones up to where a typical run starts: a run that explodes
    leaves the panel at the top instead of flattening all others."""
    every = np.concatenate([np.empty(0), *(job.losses for job in jobs)])
    core = np.concatenate([np.empty(0), *(job.losses for job in strong)])
    starts = [job.losses[0] for job in jobs]
    ceiling = max([float(np.median(starts)) if starts else math.inf, *core.tolist()])
    set_y(axes, (shown := every[every <= ceiling]), is_log(shown), headroom)


def _strong(axes: Axes, sweep: Sweep, group: Group, at: int) -> None:
    """A group's best setting: mean, band, and what comes after the shortest run or from a diverged one."""
    x, mean, low, high = together(sweep, group.champion)
    end = x[-1] if len(x) else 0.0
    alone = [
        np.column_stack((sweep.x(job), job.losses))[sweep.x(job) >= (0.0 if job.lost else end)]
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
