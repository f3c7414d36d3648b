"""The learning-rate range test: the loss over the rate, each step and smoothed, with what is suggested."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from runner.plot.base import (
    BAD,
    QUIET,
    VALIDATION,
    WIDTH,
    Values,
    is_log,
    log_ticks,
    look,
    number,
    page,
    panel,
    save,
    set_y,
)  # fmt: skip


def draw(
    folder: Path, title: str, rates: Values, losses: Values, smooth: Values, suggested: float | None
) -> list[Path]:
    """Draw `lr_range.png` and `lr_range.svg`; returns the two paths. Raises `DiskError` if they cannot be written.

    rates, losses, smooth: `[n]`
    suggested: a rate to mark, if there is one
    """
    with look():
        return save(figure(title, rates, losses, smooth, suggested), folder, "lr_range")


def figure(title: str, rates: Values, losses: Values, smooth: Values, suggested: float | None) -> Figure:
    """The slide; to be called inside `look()`."""
    foot, head = 0.62, 0.45
    notes = [(f"learning-rate range test, {len(rates)} steps · thin: each mini-batch, thick: smoothed", QUIET)]
    slide, left_over = page(title, notes, 3.0 + foot + head)
    axes = panel(slide, 0.9, foot, WIDTH - 0.9 - 0.4, left_over - foot - head, "loss")
    # The last steps go through the roof; what is suggested lies far below.
    seen = np.minimum(losses, 2 * smooth[: max(1, int(smooth.argmin()))].max(initial=smooth.min()))
    set_y(axes, seen, is_log(seen))
    axes.set_xscale("log")
    low, high = float(rates[0]), float(rates[-1])
    axes.set_xlim(low, high)
    ticks = log_ticks(low, high, 8)
    axes.set_xticks(ticks, [number(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("learning rate")
    axes.plot(rates, losses, color=QUIET, lw=0.8, alpha=0.7)
    axes.plot(rates, smooth, color=VALIDATION, lw=2.4)
    if suggested is not None:
        right = np.log(suggested / low) > 0.6 * np.log(high / low)
        axes.axvline(suggested, color=BAD, lw=1.4, ls=(0, (4, 2)))
        axes.annotate(
            f"suggested: {number(suggested)}", (suggested, 0.06), xycoords=axes.get_xaxis_transform(),
            xytext=(-6 if right else 6, 0), textcoords="offset points", ha="right" if right else "left", color=BAD,
            weight="bold", size=10.5,
        )  # fmt: skip
    return slide
