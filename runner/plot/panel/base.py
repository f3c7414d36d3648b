"""Panels of a sweep: its runs, grouped and coloured once, so that all panels of a slide speak of the same lines.

What varies is the panel: `together` has the curves, and next to it stands one comparison, chosen by the axes that are
no seed:

    two or more numbers   `heat`      the best validation loss in cells; further axes at their best
    one number            `against`   best and final validation loss against it, one line a group
    no number             `ranking`   dots, the best on top

From three such axes on, `parallel` shows them all below.

What is fixed: runs that differ in nothing but a seed are one *setting*; settings that share the values of the colour
axes are a *group*, shown in one colour. The mean of a setting is taken over the runs that did not diverge, and every
one that did is a cross: a mean that hides them would recommend the learning rate just below the cliff. A setting with
a diverged or failed seed is never its group's best while there is one without. The bar at a mean is its 95 % interval
(`runner.core.seeds`); the band around a mean curve is the range of the runs.

The numbers of all runs come from `sweep.csv`. Of a large sweep only `CURVES` runs have their curves read and drawn:
those of the best settings, and others evenly spread from the best to the worst.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from pathlib import Path
from typing import Any, TypeVar

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb

from runner.core.seeds import is_seed, mean_and_half
from runner.plot.base import VALIDATION, Values

# Okabe and Ito's colours, which colour-blind readers can tell apart, without their yellow and with a black and a
# purple; each with a dash and a marker of its own, for grey paper.
STYLES: tuple[tuple[str, Any, str], ...] = (
    ("#222222", "solid", "o"),
    ("#0072b2", (0, (5, 1.5)), "s"),
    ("#d55e00", "solid", "^"),
    ("#56b4e9", "solid", "D"),
    ("#009e73", (0, (6, 1.5, 1.5, 1.5)), "v"),
    ("#cc79a7", "solid", "p"),
    ("#e69f00", (0, (5, 1.5)), "*"),
    ("#7b3294", (0, (2, 1)), "h"),
)
# The place in this list is the style, in every figure; where two meet (8 apart), the later one moves on.
OPTIMIZERS = (
    "sgd", "momentum", "adam", "nesterov", "adagrad", "rmsprop", "adamw", "muon",
    "newton_cg", "lbfgs", "nadam", "adadelta", "amsgrad", "kfac", "shampoo", "lion",
)  # fmt: skip
MOST = len(STYLES)  # groups with a style and a line in the legend; the rest is grey
NUMBERS = 5  # of a long axis of numbers that the legend names, and the best one
COSTLIER = 1.01  # the last mini-batch of an epoch may be short
CURVES = 300  # runs whose curves are read: 300 thin lines fill a panel, and their files are read in 0.2 s

Item = TypeVar("Item")


@dataclass(frozen=True)
class Job:
    """One run: where it stands on the axes, its numbers, and its validation losses by epoch (finite ones only), if
    they were read."""

    folder: Path
    values: dict[str, str]
    status: str
    best: float
    final: float
    epochs: Values
    losses: Values
    lost_in: float | None  # the epoch of the divergence
    costs: Values = field(default_factory=lambda: np.empty(0))  # at these epochs, in gradients of all examples
    lost_at_cost: float = math.nan  # at the epoch of the divergence

    @property
    def pace(self) -> float:
        """What an epoch costs, NaN where that is not known."""
        return float(self.costs[-1] / self.epochs[-1]) if len(self.costs) else math.nan

    @property
    def lost(self) -> bool:
        return self.status == "diverged" or math.isinf(self.best)


@dataclass(frozen=True)
class Setting:
    """The runs that differ in nothing but a seed; `values` are those of the axes that vary."""

    values: dict[str, str]
    jobs: tuple[Job, ...]

    @cached_property
    def kept(self) -> tuple[Job, ...]:
        return tuple(job for job in self.jobs if not job.lost and math.isfinite(job.best))

    @property
    def lost(self) -> int:
        return sum(job.lost for job in self.jobs)

    @property
    def best(self) -> float:
        """Mean best validation loss of the runs that did not diverge; NaN if there is none."""
        return _mean([job.best for job in self.kept])

    @property
    def half(self) -> float:
        """Half the width of the 95 % interval of that mean; 0 where there is no more than one run."""
        return mean_and_half([job.best for job in self.kept])[1] or 0.0 if self.kept else 0.0

    @property
    def final(self) -> float:
        return _mean([job.final for job in self.kept if math.isfinite(job.final)])

    @property
    def rank(self) -> tuple[bool, bool, float]:
        return (not self.kept, len(self.kept) < len(self.jobs), self.best if self.kept else math.inf)


@dataclass(frozen=True)
class Group:
    """The settings that share the values of the colour axes."""

    label: str
    colour: Any
    dash: Any
    marker: str
    settings: tuple[Setting, ...]
    named: bool

    @cached_property
    def champion(self) -> Setting:
        return min(self.settings, key=lambda setting: setting.rank)


@dataclass(frozen=True)
class Sweep:
    """What is read of a sweep folder."""

    title: str
    axes: tuple[str, ...]
    jobs: tuple[Job, ...]
    shares: dict[str, float]  # of the variance, by axis, where it was computed

    def values(self, axis: str) -> list[str]:
        """The values of an axis: numbers from small to large, words in the order of the sweep."""
        return self._values[axis]

    @cached_property
    def _values(self) -> dict[str, list[str]]:
        found = {axis: list(dict.fromkeys(job.values[axis] for job in self.jobs)) for axis in self.axes}
        return {axis: sorted(v, key=float) if all(map(is_number, v)) else v for axis, v in found.items()}

    @cached_property
    def seeds(self) -> tuple[str, ...]:
        return tuple(filter(is_seed, self.axes))

    @cached_property
    def live(self) -> tuple[str, ...]:
        """The axes that vary and are no seed."""
        return tuple(axis for axis in self.axes if axis not in self.seeds and len(self.values(axis)) > 1)

    @cached_property
    def numeric(self) -> tuple[str, ...]:
        """The live axes that are numbers, the learning rate first, then those with most values."""
        found = [axis for axis in self.live if all(map(is_number, self.values(axis)))]
        return tuple(sorted(found, key=lambda axis: (short(axis) != "lr", -len(self.values(axis)))))

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The live axes that are not numbers, the optimizer first."""
        return tuple(sorted((a for a in self.live if a not in self.numeric), key=lambda a: short(a) != "optimizer"))

    @cached_property
    def settings(self) -> tuple[Setting, ...]:
        held: dict[tuple[str, ...], list[Job]] = {}
        for job in self.jobs:
            held.setdefault(tuple(job.values[axis] for axis in self.live), []).append(job)
        return tuple(Setting(dict(zip(self.live, key, strict=True)), tuple(jobs)) for key, jobs in held.items())

    @cached_property
    def ranked(self) -> tuple[Setting, ...]:
        return tuple(sorted(self.settings, key=lambda setting: setting.rank))

    @cached_property
    def seeded(self) -> int:
        """The most runs that a setting has."""
        return max((len(setting.jobs) for setting in self.settings), default=0)

    @cached_property
    def champions(self) -> tuple[Setting, ...]:
        return tuple(group.champion for group in self.groups if group.named)

    @cached_property
    def followers(self) -> tuple[Setting, ...]:
        """The settings that are drawn thin: all others, or some of them, evenly from the best to the worst."""
        best = set(map(id, self.champions))
        others = [setting for setting in self.ranked if id(setting) not in best]
        return tuple(others if len(self.jobs) <= CURVES else spread(others, max(CURVES // max(self.seeded, 1), 1)))

    @cached_property
    def drawn(self) -> tuple[Job, ...]:
        """The runs whose curves are drawn: all of the followers', and of the champions' as many as there is room."""
        if len(self.jobs) <= CURVES:
            return self.jobs
        chosen = [job for setting in self.followers for job in setting.jobs[:CURVES]]
        return tuple(chosen + [job for setting in self.champions for job in self.sampled(setting)])

    @cached_property
    def by_cost(self) -> bool:
        """Whether curves lie over what they cost: where an epoch of one run costs more than an epoch of another, curves
        over epochs would make the dear ones look cheap."""
        paces = [job.pace for job in self.jobs if len(job.epochs)]
        return bool(paces) and all(map(math.isfinite, paces)) and max(paces) > COSTLIER * min(paces)

    def x(self, job: Job) -> Values:
        """Where the losses of a run lie: its epochs, or what they cost."""
        return job.costs if self.by_cost else job.epochs

    def sampled(self, setting: Setting) -> tuple[Job, ...]:
        """The runs of a champion that are drawn, evenly from the best to the worst."""
        if len(self.jobs) <= CURVES:
            return setting.jobs
        return tuple(spread(sorted(setting.jobs, key=lambda job: (job.lost, job.best)), CURVES // len(self.champions)))

    @cached_property
    def colour_axes(self) -> tuple[str, ...]:
        """All axes of words together if that makes few groups, else the first of them, else the first number."""
        together = {tuple(setting.values[axis] for axis in self.words) for setting in self.settings}
        return self.words if 1 < len(together) <= MOST else self.words[:1] or self.numeric[:1]

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """From the best to the worst; groups of numbers in the order of the numbers."""
        held: dict[tuple[str, ...], list[Setting]] = {}
        for setting in self.settings:
            held.setdefault(tuple(setting.values[axis] for axis in self.colour_axes), []).append(setting)
        if self.colour_axes and not self.words:
            keys = sorted(held, key=lambda key: float(key[0]))
        else:
            keys = sorted(held, key=lambda key: min(setting.rank for setting in held[key]))
        styles, named = self._styles(keys), self._named(keys)
        return tuple(
            Group(self._label(key), *styles.get(key, ("#b5b5b5", "solid", "o")), tuple(held[key]), key in named)
            for key in keys
        )

    def _named(self, keys: Sequence[tuple[str, ...]]) -> set[tuple[str, ...]]:
        if self.words or len(keys) <= MOST:
            return set(keys[:MOST])
        winner = self.ranked[0]
        ends = {keys[round(at)] for at in np.linspace(0, len(keys) - 1, NUMBERS)}
        return ends | {tuple(winner.values[axis] for axis in self.colour_axes)}

    def _styles(self, keys: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], tuple[Any, Any, str]]:
        if not self.colour_axes:
            return {(): (VALIDATION, "solid", "o")}
        if not self.words:  # dark to light; the yellow end of the map cannot be seen on white
            shades = matplotlib.colormaps["viridis"](np.linspace(0, 0.84, len(keys)))
            return {
                key: (to_hex(shade), "solid", STYLES[at % MOST][2])
                for at, (key, shade) in enumerate(zip(keys, shades, strict=True))
            }
        shown = keys[:MOST]
        first = [word for word in self.values(self.colour_axes[0]) if any(key[0] == word for key in shown)]
        slots = style_slots(first)
        styles = {}
        for word in first:
            same = sorted(key for key in shown if key[0] == word)
            colour, dash, marker = STYLES[slots[word]]
            for at, key in enumerate(same):  # further axes of words: lighter, with another dash and marker
                _, other_dash, other_marker = STYLES[(slots[word] + at) % MOST]
                shade = lighter(colour, 0.6 * at / max(len(same) - 1, 1))
                styles[key] = (shade, other_dash, other_marker) if at else (colour, dash, marker)
        return styles

    def _label(self, key: tuple[str, ...]) -> str:
        if not self.words:
            return " ".join((short(self.colour_axes[0]), key[0])) if key else "validation"
        return ", ".join(key)


def style_slots(words: Sequence[str]) -> dict[str, int]:
    """The place in `STYLES` of each word: a known optimizer's own one if it is free, else the next that is.

    >>> style_slots(["mine", "adam", "sgd"])
    {'sgd': 0, 'adam': 2, 'mine': 1}
    """
    slots: dict[str, int] = {}
    known = [word for word in OPTIMIZERS if word in words]
    for word in [*known, *(word for word in words if word not in known)]:
        wish = OPTIMIZERS.index(word) if word in known else 0
        free = [at for at in range(wish, wish + MOST) if at % MOST not in slots.values()]
        slots[word] = free[0] % MOST
    return slots


def together(sweep: Sweep, setting: Setting) -> tuple[Values, Values, Values, Values]:
    """Epochs, mean, lowest and highest validation loss over the epochs that all runs have; the diverged ones count
    only where there is no other. Instead of epochs the mean of what they cost, where curves lie over that."""
    jobs = [job for job in setting.kept or setting.jobs if len(job.epochs)]
    if not jobs:
        return (np.empty(0),) * 4
    common: Values = reduce(np.intersect1d, [job.epochs for job in jobs])
    chosen = [np.isin(job.epochs, common) for job in jobs]
    stack = np.array([job.losses[rows] for job, rows in zip(jobs, chosen, strict=True)])
    x: Values = np.mean([sweep.x(job)[rows] for job, rows in zip(jobs, chosen, strict=True)], axis=0)
    return x, stack.mean(axis=0), stack.min(axis=0), stack.max(axis=0)


def crosses(axes: Axes, places: Iterable[tuple[float, float, Any]]) -> None:
    """Diverged runs: (x, share of the panel's height, colour); those at one place with one colour are one cross."""
    by_colour: dict[Any, list[tuple[float, float]]] = {}
    for x, height, colour in dict.fromkeys(places):
        by_colour.setdefault(colour, []).append((x, height))
    for colour, points in by_colour.items():
        axes.plot(
            *zip(*points, strict=True), ls="", transform=axes.get_xaxis_transform(), marker="x", ms=7, mew=2.2,
            color=colour, zorder=5, clip_on=False,
        )  # fmt: skip


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """At most so many of the items, evenly from the first to the last.

    >>> spread("abcdefg", 3)
    ['a', 'd', 'g']
    """
    if len(items) <= most:
        return list(items)
    return [items[round(at)] for at in np.linspace(0, len(items) - 1, most)]


def is_number(text: str) -> bool:
    return math.isfinite(number_in(text))


def number_in(text: str) -> float:
    """The number that a text is, NaN if it is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def short(axis: str) -> str:
    """`optimizer.beta1` is `beta1`."""
    return axis.rpartition(".")[2]


def lighter(colour: str, share: float) -> str:
    """A colour with so much white in it."""
    red, green, blue = (channel + (1 - channel) * share for channel in to_rgb(colour))
    return to_hex((red, green, blue))
