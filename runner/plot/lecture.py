"""An experiment of a lecture on one slide: its runs with the cause, without it, and the measured number.

left, middle   a case and a control: the measured column over the steps (over the epochs, where these are of different
               lengths), a curve for each arm, mean and range of its seeds; where arms are numbers, what was measured
               of each over its label, and the predicted line; where no run has more than one row, the arms side by
               side, a line for each seed, or a bar for each arm of a single one
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
    wrapped,
)  # fmt: skip
from runner.plot.panel.base import STYLES

FEW = 4  # rows, of which a line alone would hardly be seen
GOOD = "#00693e"  # a green of the same lightness as BAD
SIDES, CURVES, NUMBERS = (0.75, 3.75), 2.3, (6.9, 2.8)  # inches: where panels begin, and how wide they are
FOOT, HEAD = 0.8, 0.6  # inches for three lines of labels below the panels, and for two of a title above
DEEPEST = 1e-30  # of the largest value: what is below is rounding, and the axis need not reach it


@dataclass(frozen=True)
class Shown:
    """What the files of an experiment say.

    told     of verdict.json
    column   that is measured
    curves   circumstance -> arm -> one (steps, values) for each seed
    over     what is counted along the curves: step or epoch
    """

    told: dict[str, Any]
    column: str
    curves: dict[str, dict[str, list[tuple[Values, Values]]]]
    over: str

    @property
    def side_by_side(self) -> bool:
        """Whether arms stand side by side: over the steps, runs of one row would be single points."""
        longest = max((len(x) for arms in self.curves.values() for runs in arms.values() for x, _ in runs), default=0)
        return longest < 2 and all(len(arms) > 1 for arms in self.curves.values())

    @property
    def seeds(self) -> int:
        """How many runs there are of each arm."""
        return max(len(runs) for arms in self.curves.values() for runs in arms.values())

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
        runs: list[tuple[dict[str, str], dict[str, Values]]] = []
        for place, job in zip(asked["jobs"], plan["jobs"], strict=True):
            names = [name.replace("{arm}", place["arm"]) for name in (column, per) if name]
            found = read_columns(folder / job["dir"] / "metrics.csv", ("epoch", "step", *names))
            values = found[names[0]] / found[names[1]] if per else found[names[0]]
            runs.append((place, {"step": found["step"], "epoch": found["epoch"], "value": values}))
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptError(f"{folder} does not hold an experiment: {error!r}") from None
    over = "step" if len({steps_an_epoch(run) for _, run in runs}) < 2 else "epoch"
    curves: dict[str, dict[str, list[tuple[Values, Values]]]] = {}
    for place, run in runs:
        curves.setdefault(place["circumstance"], {}).setdefault(place["arm"], []).append((run[over], run["value"]))
    named = (f"{column} / {per}" if per else column).replace("{arm}", f"[{told['over'] or 'arm'}]")
    return Shown(told, named, curves, over)


def steps_an_epoch(run: dict[str, Values]) -> int:
    """Of a run, as far as it has rows; 1 where it has none."""
    return round(float(run["step"][0] / run["epoch"][0])) if len(run["step"]) else 1


def figure(shown: Shown) -> Figure:
    """The slide; to be called inside `look()`."""
    told = shown.told
    good = str(told["verdict"]).startswith("holds")
    curves = "" if told["slope"] else f"  ·  curves: {shown.column}"
    notes = [(f"{told['place']}  ·  {told['name']}{curves}", QUIET)]
    errs = str(told["as_printed"]).startswith("does not hold")
    if told["as_printed"]:
        notes.append((f"as printed: {told['as_printed']}", BAD if errs else GOOD))
    if told["right"]:
        notes.append((f"{'right' if errs else 'more exactly'}: {told['right']}", INK))
    notes.append((f"verdict: {told['verdict']}", GOOD if good else BAD))
    slide, left_over = page(str(told["claim"]), notes, 2.6 + FOOT + HEAD)
    high = left_over - FOOT - HEAD
    both = (shown.first(control=False), shown.first(control=True))
    over = over_label if told["slope"] else over_arms if shown.side_by_side else over_steps
    seen, log = values(shown, both)
    for left, name in zip(SIDES, both, strict=True):
        axes = titled(slide, left, CURVES, high, title(told["measured"][name]))
        set_y(axes, seen, log)
        over(axes, shown, name)
    left, wide = NUMBERS
    measured(titled(slide, left, wide, high, str(told["what"])), told, wide)
    return slide


def title(circumstance: dict[str, Any]) -> str:
    """Of the panel of a circumstance."""
    return f"control: {circumstance['title']}" if circumstance["control"] else str(circumstance["title"])


def titled(slide: Figure, left: float, wide: float, high: float, text: str) -> Axes:
    """A panel whose title has two lines, if it needs them."""
    axes = panel(slide, left, FOOT, wide, high, "")
    lines = wrapped(text, 11, wide + 0.3, bold=True)
    axes.set_title("\n".join([*lines[:1], *(cut(" ".join(lines[1:]), wide, 11) for _ in lines[1:2])]),
                   loc="left", size=11, weight="bold", pad=8)  # fmt: skip
    return axes


def values(shown: Shown, names: tuple[str, str]) -> tuple[Values, bool]:
    """All that the two panels show, which have one scale, and whether that is logarithmic.

    Those of a run that diverged do not count. A curve that comes to 0 in the end is shown as far as there is a scale;
    one that is 0 nearly throughout needs the linear one.
    """
    if shown.told["slope"]:
        listed = [each for name in names for each in shown.told["measured"][name]["numbers"].values()]
        found = np.array([float(value) for numbers in listed for value in numbers])
        positive = found[found > 0]
        return (positive, True) if positive.size else (found, False)  # a slope is one of logarithms
    kept = [y for name in names for runs in shown.curves[name].values() for _, y in runs if np.isfinite(y).all()]
    seen = np.concatenate(kept) if kept else np.empty(0)
    positive = seen[seen > DEEPEST * seen.max(initial=0.0)]
    log = all((y >= 0).all() and (y > 0).sum() >= min(FEW, len(y)) for y in kept) and is_log(positive)
    if log:
        return positive, True
    return (np.append(seen, 0.0) if barred(shown) else seen), False


def barred(shown: Shown) -> bool:
    """Whether there is one number for each arm, which is a bar where its axis has a 0."""
    return shown.side_by_side and shown.seeds == 1


def over_steps(axes: Axes, shown: Shown, name: str) -> None:
    """The measured column of every arm, over the steps."""
    arms = shown.curves[name]
    last = max((x[-1] for runs in arms.values() for x, _ in runs if len(x)), default=1.0)
    set_epochs(axes, 0.0, float(last), shown.over)
    for (colour, dash, _), (arm, runs) in zip(STYLES * len(arms), arms.items(), strict=False):
        length = min(len(x) for x, _ in runs)
        x, stacked = runs[0][0][:length], np.array([y[:length] for _, y in runs])
        if len(runs) > 1:
            axes.fill_between(x, stacked.min(0), stacked.max(0), color=colour, alpha=0.15, lw=0)
        few = "o" if length < FEW else ""
        axes.plot(*thin(x, stacked.mean(0)), color=colour, ls=dash, marker=few, lw=2.0, label=cut(arm, 1.6))
        if not np.isfinite(stacked).all():
            axes.plot([x[-1]], [0.965], "x", color=BAD, ms=7, mew=2, transform=axes.get_xaxis_transform())
    if len(arms) > 1:
        axes.legend(fontsize=9.5, handlelength=1.6, loc="best", borderaxespad=0.2)


def over_arms(axes: Axes, shown: Shown, name: str) -> None:
    """What was measured of every arm, the arms in their order."""
    arms = shown.curves[name]
    at = np.arange(len(arms))
    numbers = np.array([[y[0] if len(y) else math.inf for _, y in runs] for runs in arms.values()])
    finite = np.where(np.isfinite(numbers), numbers, math.nan)
    if barred(shown) and axes.get_yscale() == "linear":
        axes.bar(at, finite[:, 0], width=0.5, color=VALIDATION)
        flat = at[finite[:, 0] == 0]  # a bar without height would not be seen
        axes.plot(flat, [0.0] * len(flat), "o", color=VALIDATION, ms=6, clip_on=False)
        axes.axhline(0.0, color=QUIET, lw=1.0)
    else:
        axes.plot(at, finite, "o-", color=VALIDATION, ms=4, lw=1.2, alpha=0.7)
    lost = at[~np.isfinite(numbers).all(1)]
    axes.plot(lost, [0.965] * len(lost), "x", color=BAD, ms=7, mew=2, transform=axes.get_xaxis_transform())
    axes.set_xlim(-0.5, len(arms) - 0.5)
    axes.set_xticks(at, ["\n".join(wrapped(arm, 9, CURVES / len(arms))[:3]) for arm in arms], fontsize=9)
    axes.set_xlabel(str(shown.told["over"]))


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


def measured(axes: Axes, told: dict[str, Any], wide: float) -> None:
    """A point with its interval for every circumstance; the band is where the claim holds, the line the prediction."""
    points = [
        (name, *(float(each[key]) for key in ("value", "low", "high")), each) for name, each in told["measured"].items()
    ]
    low, high = (float(bound) for bound in told["bounds"])
    predicted = float(told["predicted"])
    finite = np.array([v for _, value, below, above, _ in points for v in (value, below, above) if math.isfinite(v)])
    log = is_log(finite) and predicted > 0
    # A bound that is only there to be large would flatten everything else, and 0 has no place on a logarithmic scale.
    near = [end for end in (low, high, predicted) if not finite.size or abs(end) <= 10 * abs(finite).max() + 1]
    seen = np.concatenate([finite, [end for end in near if end > 0 or not log]])
    set_y(axes, seen, log)
    bottom, top = axes.get_ylim()
    axes.axhspan(max(low, bottom), min(high, top), color=GRID, lw=0)
    if bottom <= predicted <= top:
        axes.axhline(predicted, color=QUIET, lw=1.4, ls=(0, (4, 2)), zorder=1)
        axes.annotate(
            f"predicted {number(predicted)}", (0.99, predicted), xycoords=axes.get_yaxis_transform(), ha="right",
            xytext=(0, -11), textcoords="offset points", size=9.5, color=QUIET, zorder=5,
            bbox={"facecolor": "white", "alpha": 0.75, "lw": 0, "pad": 0.8},
        )  # fmt: skip
    edge, fine = axes.get_xaxis_transform(), 3 - math.floor(math.log10(top - bottom))
    for at, (_, value, below, above, each) in enumerate(points):
        colour = GOOD if each["within"] != each["control"] else BAD
        if math.isfinite(value):
            axes.plot([at, at], [below, above], color=colour, lw=2)
            axes.plot([at], [value], "s" if each["control"] else "o", color=colour, ms=7)
            said = number(value if log else round(value, fine) + 0.0)  # without the sign of a zero
            axes.annotate(said, (at, value), xytext=(8, 6), textcoords="offset points", size=10, color=colour)
        else:
            axes.plot([at], [0.965], "x", color=colour, ms=8, mew=2, transform=edge)
            said = "never" if math.isinf(value) else "none"
            axes.annotate(said, (at, 0.9), xycoords=edge, ha="center", va="top", size=10, color=colour)
    axes.set_xlim(-0.5, len(points) - 0.3)
    room = 0.94 * wide / (len(points) + 0.2)
    labels = ["\n".join(wrapped(str(each["title"]), 9, room)[:4]) for *_, each in points]
    axes.set_xticks(range(len(points)), labels, fontsize=9)
