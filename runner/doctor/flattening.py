from __future__ import annotations

from typing import final

from runner.doctor.base import Case, Finding, Rule, number, times_rate
from runner.doctor.trend import (
    HALF,
    NOISE_ALONE,
    OFTEN,
    SETTLED,
    UNFINISHED,
    held_up,
    left,
    level,
    lowered,
    rises,
    signal_to_noise,
)

HIGH = 0.05  # of a constant answer's loss
# Of a constant answer's loss, from the last theta and from the last epochs in the mean: a theta alone may be a bad one
# of a healthy run, and healthy ones come to 0.1.
ABOVE = 0.15
KILLED = 0.3  # of the units of a layer; in healthy runs training leaves at most a sixth more dead than the start
SEVERAL = 8  # units: of fewer, two that die by chance are more than that share
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
        killed = by_training(case)
        # where the loss is as low as it can be, the units that died were not missed
        missed = killed >= KILLED and (held_up(case) >= UNFINISHED or case.train[-1] >= HALF * case.chance)
        longer = signal_to_noise(case) >= NOISE_ALONE and not lowered(case)
        overshoots = longer and min(left(case), held_up(case)) >= ABOVE
        if case.train[-1] < HIGH * case.chance or not (overshoots or missed):
            return None
        seen = f"the training loss has stood at {number(case.train[-1])} since about epoch {standing(case)}"
        if overshoots:
            seen += (
                f"; it could fall by {left(case):.0%} of a constant answer's loss, and the gradient is "
                f"{number(signal_to_noise(case))} times its noise"
            )
        if missed:
            seen += f"; training has killed {killed:.0%} of the units of a layer"
        return self.found(seen, times_rate(case, LOWER))


def by_training(case: Case) -> float:
    """The largest share of the units of a layer that training has killed; 0 where a penalty may have done it.

    A penalty that outweighs the loss draws the weights to 0, and units with them, at any rate.
    """
    if case.measured is None or case.last is None or case.run.regularizer.term:
        return 0.0
    first, last = case.measured.first, case.last.inside
    layers = zip(last.units, first.dead, last.dead, strict=True)
    return max((after - before for units, before, after in layers if units >= SEVERAL), default=0.0)


def standing(case: Case) -> int:
    """The first epoch at which nine tenths of the whole fall of the training loss were done."""
    goal = case.train[0] - 0.9 * (case.train[0] - min(case.train))
    return next(k for k, value in enumerate(case.train, 1) if value <= goal)
