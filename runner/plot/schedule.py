"""What a schedule would do: the learning rate of every step, on one slide, without a run.

The curve is over epochs, which may be parts of one. The lines under the title say for what it was drawn and what its
sums are.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from runner.plot.base import QUIET, VALIDATION, WIDTH, Values, is_log, look, page, panel, save, set_epochs, set_y, thin


def draw(folder: Path, title: str, notes: Sequence[str], epochs: Values, rates: Values) -> list[Path]:
    """Draw `schedule.png` and `schedule.svg`; returns the two paths. Raises `DiskError` if they cannot be written.

    epochs: where each rate holds, in epochs from the start [N]
    rates: [N]
    """
    with look():
        return save(figure(title, notes, epochs, rates), folder, "schedule")


def figure(title: str, notes: Sequence[str], epochs: Values, rates: Values) -> Figure:
    """The slide; to be called inside `look()`."""
    foot, head = 0.62, 0.45
    slide, left_over = page(title, [(note, QUIET) for note in notes], 3.0 + foot + head)
    axes = panel(slide, 0.9, foot, WIDTH - 0.9 - 0.4, left_over - foot - head, "learning rate")
    # On a logarithmic axis a line or a cosine down to nearly 0 is all end. It pays where most of the run is that low.
    log = is_log(rates) and bool(np.median(rates) < rates.max() / 10)
    set_y(axes, rates if log else np.append(rates, 0.0), log)
    set_epochs(axes, 0.0, float(np.ceil(epochs[-1])) or 1.0)
    axes.plot(*thin(epochs, rates), color=VALIDATION, lw=2.2)
    return slide
