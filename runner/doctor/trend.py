"""How the losses go at the end of a run, for the rules of the rate: in shares of what a constant answer loses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean as mean

from runner.doctor.base import Case

# Of what a constant answer loses: what the loss still falls by on the way downhill without noise. Healthy runs that
# early stopping has ended come to 0.05.
UNFINISHED = 0.06
BETTER = 0.95  # of the validation loss: what lies downhill is worth having only if it is better there, too
BUMP = 0.02  # of a loss: sums in float32 round at 1e-7, and a step downhill does not rise at all
# ||g||^2 over the variance of a mini-batch's gradient: lr lambda / (2 - lr lambda) at rest on a quadratic, so that
# below it a step covers less than half of the way to the bottom of the valley.
NOISE_ALONE = 1 / 3
HALF = 0.5  # of what a constant answer loses: above it, little is learned
TENTH = 0.1  # of the highest rate: with less, a run of the same length is a tenth of a run
QUARTER = 4
OFTEN = 0.1  # of the epochs: gradient descent below its stability never rises, at its edge now and then
DEVIATIONS = 2.0  # of a difference of two means: by chance once in 40, of one to the lowest of several more often
SETTLED = 8  # epochs, two in each quarter: fewer cannot be said to have come to a level


def quarter(values: Sequence[float]) -> int:
    """How many epochs are a quarter of the run, at least one."""
    return max(1, len(values) // QUARTER)


def left(case: Case) -> float:
    """Which share of a constant answer's loss the training loss would still fall by.

    0 where that is not known, or where the validation loss does not fall with it: then there is nothing to be had.
    """
    if case.last is None or not case.chance > 0:
        return 0.0
    slid = case.last.slid
    return (slid.before - slid.least) / case.chance if slid.val_least <= BETTER * slid.val_before else 0.0


def rises(values: Sequence[float], since: float = 0.5) -> float:
    """The share of the epochs in which the loss rose by more than a bump; `since`: after which share of the run.

    >>> rises([9.0, 8.0, 4.0, 5.0, 3.0, 4.0]), rises([9.0, 8.0, 4.0, 5.0, 3.0, 4.0], since=0)
    (0.6666666666666666, 0.4)
    """
    half = values[max(0, round(len(values) * since) - 1) :]
    return sum(after > before * (1 + BUMP) for before, after in pairwise(half)) / (len(half) - 1)


def climbed(values: Sequence[float]) -> float:
    """By how much the loss rose after the first quarter of the run, all rises together.

    >>> climbed([9.0, 1.0, 2.0, 1.5])
    1.0
    """
    return sum(max(0.0, after - before) for before, after in pairwise(values[quarter(values) :]))


def falls(values: Sequence[float]) -> float:
    """By how much the mean of the last quarter lies below the lowest mean of as many epochs before it.

    >>> falls([9.0, 4.0, 3.0, 2.0]), falls([9.0, 1.0, 3.0, 2.0])
    (1.0, -1.0)
    """
    count = quarter(values)
    before = values[:-count]
    return min(mean(before[k : k + count]) for k in range(len(before) - count + 1)) - at_the_end(values)


def at_the_end(values: Sequence[float]) -> float:
    """The mean of the last quarter: the very last may be a good one or a bad one."""
    return mean(values[-quarter(values) :])


def wavering(values: Sequence[float]) -> float:
    """The standard error of a difference of two quarters' means, if their epochs differ by chance.

    By the differences of neighbours in the last two, to which a slope adds little. That of `falls`, which takes the
    lowest of all windows before, is somewhat larger.
    """
    count = quarter(values)
    steps = [after - before for before, after in pairwise(values[-2 * count :])]
    return math.sqrt(sum(step**2 for step in steps) / (2 * len(steps)) * 2 / count)


def level(case: Case) -> bool:
    """Whether the training loss has come to a level: its last quarter lies not below those before, but by a little, or
    by as much as chance makes of epochs that waver so."""
    if len(case.rows) < SETTLED:
        return False
    return falls(case.train) < max(BUMP * case.chance, DEVIATIONS * wavering(case.train))


def held_up(case: Case) -> float:
    """By which share of a constant answer's loss the last epochs lie, in the mean, above what lies downhill.

    The last theta alone may be a good one or a bad one of those that the noise throws it to. 0 where that is not known,
    or where the validation loss does not fall with it: below its last epochs, or, in a run that a stop rule ended since
    it was best long before, below that best.
    """
    if case.last is None or not case.chance > 0:
        return 0.0
    slid = case.last.slid
    had = min(case.val) if len(case.rows) < case.run.limit else at_the_end(case.val)
    return (at_the_end(case.train) - slid.least) / case.chance if slid.val_least <= BETTER * had else 0.0


def lowered(case: Case) -> bool:
    """Whether the schedule took the rate away, so that it cannot be what holds the loss up."""
    return case.rows[-1]["lr"] < TENTH * max(row["lr"] for row in case.rows)


def at_rest(case: Case) -> bool:
    """Whether the run has come to its end: to a level, or to where the way downhill leads nowhere."""
    if case.last is not None and case.chance > 0:
        slid = case.last.slid
        if slid.before - slid.least < BUMP * case.chance and len(case.rows) >= SETTLED:
            return True
    return level(case)


def alternates(values: Sequence[float]) -> float:
    """Which share of the changes that follow each other, both more than a bump, go opposite ways.

    >>> alternates([1.0, 2.0, 1.0, 2.0]), alternates([1.0, 2.0, 3.0, 2.0, 1.0])
    (1.0, 0.3333333333333333)
    """
    changes = [after - before if abs(after - before) > BUMP * before else 0.0 for before, after in pairwise(values)]
    turns = [before * after < 0 for before, after in pairwise(changes) if before * after]
    return sum(turns) / len(turns) if turns else 0.0


def signal_to_noise(case: Case) -> float:
    """||g||^2 over the variance of a mini-batch's gradient; infinite where a mini-batch is all the examples."""
    assert case.last is not None
    return case.last.signal / case.last.noise if case.last.noise else float("inf")
