from __future__ import annotations

from typing import final

from runner.doctor.base import Case, Finding, Rule, number
from runner.doctor.trend import BETTER, NOISE_ALONE, level, quarter, signal_to_noise

HELD = 0.08  # of a constant answer's loss; healthy runs that early stopping has ended come to 0.06


def held_up(case: Case) -> float:
    """By which share of a constant answer's loss the last epochs lie, in the mean, above what lies downhill.

    0 where the validation loss does not fall with it, or that is not known.
    """
    if case.last is None or not case.chance > 0:
        return 0.0
    count, slid = quarter(case.train), case.last.slid
    train, val = (sum(losses[-count:]) / count for losses in (case.train, case.val))
    return (train - slid.least) / case.chance if slid.val_least <= BETTER * val else 0.0


@final
class NoiseFloor(Rule):
    """A loss that the noise of its mini-batches holds up: it would fall with the rate.

    On a quadratic with curvature lambda and noise sigma^2, SGD comes to rest with E ||g||^2 / sigma^2 =
    lr lambda / (2 - lr lambda): small where a step is shorter than the valley is wide, and noise alone is to blame.

    Source: Grosse, CSC321 lecture 8, SGD learning rate: "gradually decay the learning rate to reduce the fluctuations".
    """

    name = "noise floor"
    source = 'Grosse, CSC321 lecture 8: "gradually decay the learning rate to reduce the fluctuations"'

    def look(self, case: Case) -> Finding | None:
        if case.last is None or not (case.in_batches and case.long_enough and case.steps_by_rate and level(case)):
            return None
        ratio = signal_to_noise(case)
        if not ratio < NOISE_ALONE or held_up(case) < HELD:
            return None
        size = case.run.sampler.size(case.n)
        times = number(1 / ratio) if ratio else "infinitely many"
        seen = (
            f"the training loss stands at {number(case.train[-1])}; the gradient of {size} examples is {times} "
            f"times as much noise as signal, and {held_up(case):.0%} of a constant answer's loss lie below"
        )
        return self.found(seen, "schedule=cosine")
