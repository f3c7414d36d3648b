from __future__ import annotations

from typing import final

from runner.doctor.base import Case, Finding, Rule, number, times_rate
from runner.doctor.trend import OFTEN, SETTLED, UNFINISHED, left, level, rises

# Times that a step could be longer: below 8 it is as long as the valley is wide; held up by noise alone, where
# lr lambda is far below 1, it is not.
LONGER = 8.0
HIGH = 0.05  # of a constant answer's loss
KILLED = 0.3  # of the units of a layer; in healthy runs training leaves at most a sixth more dead than the start
LOWER = 0.1


@final
class Flattening(Rule):
    """Mini-batches at a rate too large: the loss fell soon and then stays at a level, since each step is too long.

    Source: Sun p. 32: "premature flattening is a sign of large LR" (the picture is from CS231n).
    """

    name = "premature flattening (rate too high)"
    source = 'Sun p. 32: "premature flattening is a sign of large LR"; CS231n, learning curves'

    def look(self, case: Case) -> Finding | None:
        if case.last is None or case.measured is None:
            return None
        if not (case.in_batches and case.long_enough and case.steps_by_rate):
            return None
        if not (level(case) or (len(case.rows) >= SETTLED and rises(case.train) >= OFTEN)):
            return None
        killed = max(
            (b - a for a, b in zip(case.measured.first.dead, case.last.inside.dead, strict=True)),
            default=0.0,
        )
        if case.train[-1] < HIGH * case.chance or not (case.last.reach < LONGER or killed >= KILLED):
            return None
        if left(case) < UNFINISHED and killed < KILLED:
            return None
        seen = (
            f"the training loss has stood at {number(case.train[-1])} since about epoch {standing(case)}; a step is "
            f"already as long as lowers the loss ({case.last.reach:.0f} times it is best), {left(case):.0%} of a "
            "constant answer's loss lie below"
        )
        if killed >= KILLED:
            seen += f", and training has killed {killed:.0%} of the units of a layer"
        return self.found(seen, times_rate(case, LOWER))


def standing(case: Case) -> int:
    """The first epoch at which nine tenths of the whole fall of the training loss were done."""
    goal = case.train[0] - 0.9 * (case.train[0] - min(case.train))
    return next(k for k, value in enumerate(case.train, 1) if value <= goal)
