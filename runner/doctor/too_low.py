from __future__ import annotations

import math
from typing import final

from runner.doctor.base import Case, Finding, Rule, number, times_rate
from runner.doctor.stopped_early import TIMES
from runner.doctor.trend import HALF, NOISE_ALONE, UNFINISHED, left, quarter, signal_to_noise

# Times that a step could be longer. Gradient descent has its best step along an eigenvector at 1 / lambda; a good rate
# is near 1 / lambda of the largest, so that late steps could be 10 times longer, along flatter ones.
LONGER = 64.0
MOST = 1000.0  # that is advised at once


@final
class TooLow(Rule):
    """A rate too low: the gradient is plain to see above its noise, and a step could be many times longer.

    Source: Grosse, CSC321 lecture 8: "too small: slow progress"; Sun p. 32: "low LR always leads to convergence, but
    takes forever".
    """

    name = "rate too low (slow progress)"
    source = 'Grosse, CSC321 lecture 8: "too small: slow progress"; Sun p. 32'

    def look(self, case: Case) -> Finding | None:
        if case.last is None or not case.long_enough or not case.steps_by_rate:
            return None
        reach, plain = case.last.reach, signal_to_noise(case)
        if not (reach >= LONGER and plain >= NOISE_ALONE and left(case) >= UNFINISHED):
            return None
        if case.train[-1] < HALF * case.chance and more_epochs(case) <= (TIMES - 1) * len(case.rows):
            return None
        seen = (
            f"{len(case.rows)} epochs took the training loss from {number(case.train[0])} to {number(case.train[-1])}; "
            f"a last step {reach:.0f} times as long would have gone on downhill"
        )
        # a quarter of the way, in powers of ten
        return self.found(seen, times_rate(case, min(MOST, 10 ** math.floor(math.log10(reach / 4)))))


def more_epochs(case: Case) -> float:
    """After how many epochs more, as the last quarter went, the training loss would be where the way downhill leads."""
    assert case.last is not None
    count = quarter(case.train)
    pace = (case.train[-1 - count] - case.train[-1]) / count
    return (case.last.slid.before - case.last.slid.least) / pace if pace > 0 else math.inf
