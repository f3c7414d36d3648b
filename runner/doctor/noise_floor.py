from __future__ import annotations

from typing import final

from runner.doctor.base import Case, Finding, Rule, number
from runner.doctor.trend import NOISE_ALONE, held_up, level, lowered, signal_to_noise
from runner.schedule.cosine import Cosine

HELD = 0.08  # of a constant answer's loss; healthy runs that early stopping has ended come to just below it

MORE = 4  # times as many examples in a batch: half of the noise


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
        if not ratio < NOISE_ALONE or held_up(case) < HELD or lowered(case):
            return None
        size = case.run.sampler.size(case.n)
        times = number(1 / ratio) if ratio else "infinitely many"
        seen = (
            f"the training loss stands at {number(case.train[-1])}; the gradient of {size} examples is {times} "
            f"times as much noise as signal, and {held_up(case):.0%} of a constant answer's loss lie below"
        )
        return self.found(seen, quieter(case, size))


def quieter(case: Case, size: int) -> str:
    """The word for a rate that falls to 0; for its time, where a stop rule took that; for batches, where it fell."""
    if case.run.schedule != Cosine():
        return "schedule=cosine"
    return "stop=epochs" if len(case.rows) < case.run.limit else f"batch_size={MORE * size}"
