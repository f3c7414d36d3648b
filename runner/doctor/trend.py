"""How the losses go at the end of a run, for the rules of the rate: in shares of what a constant answer loses."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from runner.doctor.base import Case

# Of what a constant answer loses: what the loss still falls by on the way downhill without noise. Healthy runs that
# early stopping has ended come to 0.05.
UNFINISHED = 0.06
BETTER = 0.95  # of the validation loss: what lies downhill is worth having only if it is better there, too
BUMP = 0.02  # of a loss: sums in float32 round at 1e-7, and a step downhill does not rise at all
# ||g||^2 over the variance of a mini-batch's gradient: lr lambda / (2 - lr lambda) at rest on a quadratic, so that
# below it a step covers less than half of the way to the bottom of the valley.
NOISE_ALONE = 1 / 3
QUARTER = 4
OFTEN = 0.1  # of the epochs: gradient descent below its stability never rises, at its edge now and then
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


def falls(values: Sequence[float]) -> float:
    """By how much the mean of the last quarter lies below the mean of the quarter before it."""
    count = quarter(values)
    return sum(values[-2 * count : -count]) / count - sum(values[-count:]) / count


def level(case: Case) -> bool:
    """Whether the training loss has come to a level: its last quarter lies hardly below the one before."""
    return len(case.rows) >= SETTLED and falls(case.train) < BUMP * case.chance


def signal_to_noise(case: Case) -> float:
    """||g||^2 over the variance of a mini-batch's gradient; infinite where a mini-batch is all the examples."""
    assert case.last is not None
    return case.last.signal / case.last.noise if case.last.noise else float("inf")
