"""Which axis matters: how much of the variance of the result each axis of a full grid explains by itself.

    y           the best validation loss of a run, its logarithm if every one is positive
    cells       the settings; each counts the same, m_c is its mean over the seeds, m the mean of all m_c
    axis A      V_A = mean over the values a of A of (m_a - m)^2,   m_a the mean of the m_c with A = a
    interaction V_I = mean_c (m_c - m)^2 - sum_A V_A                what two axes and more do only together
    seeds       V_S = mean_c mean_i (y_ci - m_c)^2                  the noise

The shares V / (sum_A V_A + V_I + V_S) sum to 1: analysis of variance (Fisher 1925, Statistical methods for research
workers, chapter 7). Of a full grid, V_A is the main effect of the functional ANOVA that Hutter, Hoos and Leyton-Brown
2014 (An efficient approach for assessing hyperparameter importance, ICML, equation 6) compute from a random forest
fitted to scattered runs. Here nothing is fitted, and so nothing is said of runs that are no grid.

An axis that does nothing does not get 0, because the noise differs between its values too. `by chance` is the share
that it gets on average if no axis does anything: (its number of values - 1) / (number of runs - 1).

A setting of which no run completed leaves a hole, for which the formulas do not hold. The value of an axis with the
largest share of holes is left out, again and again, until the grid is full; what was left out is told. So the shares
are those of the region in which runs complete, and the learning rates that diverge are not in them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.sweep.base import cell, write_csv
from runner.sweep.seeds import Setting, scale_of

Cells = dict[tuple[str, ...], list[float]]  # the values of the axes -> a number for each completed seed


@dataclass(frozen=True)
class Share:
    """What one source explains: an axis, `interactions` or `seeds`. No share: one value is left of the axis."""

    source: str
    values: int | None
    share: float | None
    by_chance: float | None
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Importance:
    """The shares of a sweep, the largest axis first, and in words of what, or why there are none."""

    shares: tuple[Share, ...]
    words: str


def importance(order: Sequence[Setting], seeded: bool) -> Importance:
    """The shares of the axes that are no seed, for the settings of a sweep; `seeded` if an axis is one."""
    axes = list(order[0].values)
    values = [sorted({setting.values[axis] for setting in order}) for axis in axes]
    combinations = math.prod(map(len, values))
    if len(order) < combinations:
        why = f"the settings are no full grid: {len(order)} of {combinations} combinations"
        return Importance((), f"no shares of the axes: {why}")
    results = {tuple(setting.values.values()): list(setting.by_seed.values()) for setting in order}
    cells, kept = full_grid({key: found for key, found in results.items() if found}, values)
    dropped = [tuple(value for value in values[at] if value not in kept[at]) for at in range(len(axes))]
    told = ", ".join(f"{axis}={value}" for axis, gone in zip(axes, dropped, strict=True) for value in gone)
    without = f"; left out, because runs did not complete: {told}" if told else ""
    scale = scale_of(order)
    cells = {key: [scale(y) for y in found] for key, found in cells.items()}
    runs = sum(map(len, cells.values()))
    name = "log best_val_loss" if scale is math.log else "best_val_loss"
    words = f"share of the variance of {name}, {runs} runs in {len(cells)} settings{without}"
    found = _shares(cells, axes, kept, dropped)
    if found is None:
        return Importance((), f"no shares of the axes: nothing varies among {runs} runs{without}")
    return Importance(tuple(found if seeded else found[:-1]), words)


def full_grid(cells: Cells, values: Sequence[Sequence[str]]) -> tuple[Cells, list[list[str]]]:
    """The cells that are left, and the values of every axis, after leaving out values until no cell is missing.

    >>> full_grid({("a", "x"): [1.0], ("a", "y"): [2.0], ("a", "z"): [3.0], ("b", "x"): [4.0]}, ["ab", "xyz"])
    ({('a', 'x'): [1.0], ('a', 'y'): [2.0], ('a', 'z'): [3.0]}, [['a'], ['x', 'y', 'z']])
    """
    kept = [list(held) for held in values]
    while cells and len(cells) < math.prod(map(len, kept)):
        there: dict[tuple[int, str], int] = {(at, value): 0 for at, held in enumerate(kept) for value in held}
        for key in cells:
            for place in enumerate(key):
                there[place] += 1
        full = [math.prod(map(len, kept)) // len(held) for held in kept]
        axis, value = min(there, key=lambda place: there[place] / full[place[0]])
        kept[axis].remove(value)
        cells = {key: found for key, found in cells.items() if key[axis] != value}
    return cells, kept


def _shares(
    cells: Cells, axes: Sequence[str], kept: Sequence[Sequence[str]], dropped: Sequence[tuple[str, ...]]
) -> list[Share] | None:
    """Those of the axes from the largest to the smallest, then of interactions and seeds; None if nothing varies."""
    means = {key: mean(found) for key, found in cells.items()}
    centre = mean(means.values())
    between = mean((m - centre) ** 2 for m in means.values())
    noise = mean(mean((y - means[key]) ** 2 for y in found) for key, found in cells.items())
    # Below the rounding of the means there is no variance.
    if between + noise <= (1e-14 * max(map(abs, means.values()), default=0.0)) ** 2:
        return None
    effects = []
    for at, held in enumerate(kept):
        groups: dict[str, list[float]] = {value: [] for value in held}
        for key, m in means.items():
            groups[key[at]].append(m)
        effects.append(mean((mean(group) - centre) ** 2 for group in groups.values()))
    freedom = sum(map(len, cells.values())) - 1
    own = [len(held) - 1 for held in kept]
    shares = [
        Share(axis, len(held), effect / (between + noise), (len(held) - 1) / freedom, gone)
        if len(held) > 1
        else Share(axis, len(held), None, None, gone)
        for axis, held, effect, gone in zip(axes, kept, effects, dropped, strict=True)
    ]
    shares.sort(key=lambda share: (share.share is None, -(share.share or 0.0)))
    joint = (between - math.fsum(effects)) / (between + noise)
    return [
        *shares,
        Share("interactions", None, max(joint, 0.0), (len(cells) - 1 - sum(own)) / freedom),
        Share("seeds", None, noise / (between + noise), (freedom + 1 - len(cells)) / freedom),
    ]


def mean(values: Iterable[float]) -> float:
    """The mean, exactly rounded, or 0 of nothing."""
    held = list(values)
    return math.fsum(held) / len(held) if held else 0.0


def write_importance(path: Path, found: Importance) -> None:
    """Write sweep_importance.csv."""
    write_csv(path / "sweep_importance.csv", lines(found))


def lines(found: Importance) -> list[list[str]]:
    """The header of sweep_importance.csv and a line for each source."""
    shares = [
        [each.source, cell(each.values), cell(each.share), cell(each.by_chance), " ".join(each.left_out)]
        for each in found.shares
    ]
    return [["axis", "values", "share", "by_chance", "left_out"], *shares]
