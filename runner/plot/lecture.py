"""An experiment of a lecture on one slide: its runs with the cause, without it, and the measured number.

left, middle   a case and a control: the measured column over the steps, a curve for each arm, mean and range of its
               seeds; where arms are numbers, what was measured of each over its label, and the predicted line
right          what was measured in every circumstance, with its interval; the band is where the claim holds
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from runner.core.errors import CorruptError
from runner.plot.base import (
    BAD,
    GRID,
    INK,
    QUIET,
    VALIDATION,
    WIDTH,
    Values,
    cut,
    is_log,
    limits,
    log_ticks,
    look,
    number,
    page,
    panel,
    read_columns,
    read_json,
    save,
    set_epochs,
    set_y,
    thin,
)  # fmt: skip
from runner.plot.panel.base import STYLES

FEW = 4  # rows, of which a line alone would hardly be seen
GOOD = "#00693e"  # a green of the same lightness as BAD


@dataclass(frozen=True)
class Shown:
    """What the files of an experiment say.

    told     of verdict.json
    column   that is measured
    curves   circumstance -> arm -> one (steps, values) for each seed
    """

    told: dict[str, Any]
    column: str
    curves: dict[str, dict[str, list[tuple[Values, Values]]]]

    def first(self, control: bool) -> str:
        """The name of the first case or control."""
        measured = self.told["measured"]
        return next(str(name) for name in measured if measured[name]["control"] is control)


def draw(folder: Path) -> list[Path]:
    """Draw `claim.png` and `claim.svg` from the files of an experiment; returns the two paths.

    Raises `DiskError` if a file cannot be read or written and `CorruptError` if it does not hold what it should.
    """
    with look():
        return save(figure(read(folder)), folder, "claim")


def read(folder: Path) -> Shown:
    """The experiment in `folder`."""
    told, asked, plan = (read_json(folder / name) for name in ("verdict.json", "lecture.json", "sweep.json"))
    try:
        measure = asked["claim"]["measure"]
        column, per = str(measure["column"]), str(measure.get("per", ""))
        curves: dict[str, dict[str, list[tuple[Values, Values]]]] = {}
        for place, job in zip(asked["jobs"], plan["jobs"], strict=True):
            names = [name.replace("{arm}", place["arm"]) for name in (column, per) if name]
            read = read_columns(folder / job["dir"] / "metrics.csv", ("step", *names))
            arms = curves.setdefault(place["circumstance"], {})
            values = read[names[0]] / read[names[1]] if per else read[names[0]]
            arms.setdefault(place["arm"], []).append((read["step"], values))
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptError(f"{folder} does not hold an experiment: {error!r}") from None
    return Shown(told, f"{column} / {per}" if per else column, curves)


def figure(shown: Shown) -> Figure:
    """The slide; to be called inside `look()`."""
    told, foot, head = shown.told, 0.62, 0.5
    good = str(told["verdict"]).startswith("holds")
    curves = "" if told["slope"] else f"  ·  curves: {shown.column}"
    notes = [(f"{told['place']}  ·  {told['name']}{curves}", QUIET)]
    if told["right"]:
        notes.append((f"more exactly: {told['right']}", INK))
    notes.append((f"verdict: {told['verdict']}", GOOD if good else BAD))
    slide, left_over = page(str(told["claim"]), notes, 2.6 + foot + head)
    high = left_over - foot - head
    both = (shown.first(control=False), shown.first(control=True))
    over, seen = over_label if told["slope"] else over_steps, values(shown, both)
    for left, name in zip((0.75, 4.05), both, strict=True):
        axes = panel(slide, left, foot, 2.65, high, cut(name, 2.6, 12))
        set_y(axes, seen, is_log(seen))
        over(axes, shown, name)
    measured(panel(slide, 7.35, foot, WIDTH - 7.35 - 0.3, high, str(told["what"])), told)
    return slide


def values(shown: Shown, names: tuple[str, str]) -> Values:
    """All that the two panels show, which have one scale; those of a run that diverged do not count."""
    if shown.told["slope"]:
        listed = [each for name in names for each in shown.told["measured"][name]["numbers"].values()]
        found = np.array([float(value) for numbers in listed for value in numbers])
        return found[found > 0] if (found > 0).any() else found  # what is 0 has no place on a logarithmic scale
    kept = [y for name in names for runs in shown.curves[name].values() for _, y in runs if np.isfinite(y).all()]
    return np.concatenate(kept) if kept else np.empty(0)


def over_steps(axes: Axes, shown: Shown, name: str) -> None:
    """The measured column of every arm, over the steps."""
    arms = shown.curves[name]
    last = max((x[-1] for runs in arms.values() for x, _ in runs if len(x)), default=1.0)
    set_epochs(axes, 0.0, float(last), "step")
    for (colour, dash, _), (arm, runs) in zip(STYLES * len(arms), arms.items(), strict=False):
        length = min(len(x) for x, _ in runs)
        x, stacked = runs[0][0][:length], np.array([y[:length] for _, y in runs])
        if len(runs) > 1:
            axes.fill_between(x, stacked.min(0), stacked.max(0), color=colour, alpha=0.15, lw=0)
        few = "o" if length < FEW else ""
        axes.plot(*thin(x, stacked.mean(0)), color=colour, ls=dash, marker=few, lw=2.0, label=cut(arm, 1.8))
        if not np.isfinite(stacked).all():
            axes.plot([x[-1]], [0.965], "x", color=BAD, ms=7, mew=2, transform=axes.get_xaxis_transform())
    axes.legend(fontsize=9.5, handlelength=1.6, loc="best", borderaxespad=0.2)


def over_label(axes: Axes, shown: Shown, name: str) -> None:
    """What was measured of every arm over its label, and the predicted slope through their middle."""
    numbers = shown.told["measured"][name]["numbers"]
    x = np.array([float(arm) for arm in numbers])
    y = np.array([[float(value) for value in numbers[arm]] for arm in numbers])
    axes.set_xscale("log")
    axes.set_xlim(*limits(x, True))
    axes.set_xticks(ticks := log_ticks(float(x.min()), float(x.max()), 5), [number(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel(str(shown.told["over"]))
    if (y > 0).all():
        predicted = np.exp(np.log(y).mean() + float(shown.told["predicted"]) * (np.log(x) - np.log(x).mean()))
        axes.plot(x, predicted, color=QUIET, lw=1.4, ls=(0, (4, 2)), label=f"slope {number(shown.told['predicted'])}")
        axes.legend(fontsize=9.5, handlelength=1.8, loc="best", borderaxespad=0.2)
    else:
        axes.text(0.5, 0.5, "not above 0: no slope", transform=axes.transAxes, ha="center", color=QUIET, size=10.5)
    axes.plot(np.repeat(x, y.shape[1]), y.ravel(), "o", color=VALIDATION, ms=5, alpha=0.8)


def measured(axes: Axes, told: dict[str, Any]) -> None:
    """A point with its interval for every circumstance; the band is where the claim holds, the line the prediction."""
    points = [
        (name, *(float(each[key]) for key in ("value", "low", "high")), each) for name, each in told["measured"].items()
    ]
    low, high = (float(bound) for bound in told["bounds"])
    ends = [low, high, float(told["predicted"])]
    finite = np.array([v for _, value, below, above, _ in points for v in (value, below, above) if math.isfinite(v)])
    log = is_log(finite)
    # A bound that is only there to be large would flatten everything else, and 0 has no place on a logarithmic scale.
    near = [end for end in ends if not finite.size or abs(end) <= 10 * abs(finite).max() + 1]
    seen = np.concatenate([finite, [end for end in near if end > 0 or not log]])
    set_y(axes, seen, log)
    bottom, top = axes.get_ylim()
    axes.axhspan(max(low, bottom), min(high, top), color=GRID, lw=0)
    predicted = float(told["predicted"])
    if bottom <= predicted <= top:
        axes.axhline(predicted, color=QUIET, lw=1.4, ls=(0, (4, 2)))
        axes.annotate(
            f"predicted {number(predicted)}", (0.99, predicted), xycoords=axes.get_yaxis_transform(), ha="right",
            xytext=(0, -11), textcoords="offset points", size=9, color=QUIET,
        )  # fmt: skip
    for at, (_, value, below, above, each) in enumerate(points):
        colour = GOOD if each["within"] != each["control"] else BAD
        if math.isfinite(value):
            axes.plot([at, at], [below, above], color=colour, lw=2)
            axes.plot([at], [value], "s" if each["control"] else "o", color=colour, ms=7)
            axes.annotate(number(value), (at, value), xytext=(8, 6), textcoords="offset points", size=9.5, color=colour)
        else:
            axes.plot([at], [0.965], "x", color=colour, ms=8, mew=2, transform=axes.get_xaxis_transform())
    axes.set_xlim(-0.6, len(points) - 0.4)
    wide = 2.3 / len(points)
    axes.set_xticks(range(len(points)), [cut(name, wide, 9) for name, *_ in points], fontsize=9)
