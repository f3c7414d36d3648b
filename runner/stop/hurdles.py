from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import final

from runner.core.check import Count, Number
from runner.core.errors import ConfigError, shown
from runner.stop.base import Direction, Row, Stop, counted


@final
@dataclass(frozen=True)
class Hurdles(Stop):
    """Stop after given epochs unless the best so far has come as far as it should have by then.

        stop after epoch E_i  unless  min_{e <= E_i} monitor_e <= bound_i     (direction=max: max and >=)

    A number that is not finite takes no hurdle. After the other epochs it says nothing, so that it says when a run ends
    and changes nothing else: no schedule sees it.

    epochs: after how many epochs each hurdle stands, in rising order
    bounds: how low the best so far must be there, one for each
    monitor: a column of metrics.csv
    direction: min for losses and errors, max for accuracies

    >>> rows = [{"epoch": e, "val_loss": v} for e, v in enumerate([0.9, 1.2, 0.8], start=1)]
    >>> rule = Hurdles(epochs=(2, 3), bounds=(1.0, 0.5))
    >>> rule.verdict(rows[:2]), rule.verdict(rows)
    (None, 'the best val_loss after 3 epochs is 0.8, and the bound there is 0.5')

    Source: Golovin et al. 2017, "Google Vizier: A service for black-box optimization", section 3.2.2 (the median rule);
    Jamieson & Talwalkar 2016, "Non-stochastic best arm identification", algorithm 1 (successive halving).
    Here: the bounds are plain numbers, so that a run stops in the same place whenever it is repeated. `optrun tune`
    takes them from the runs before.
    """

    epochs: tuple[Count, ...] = (5,)
    bounds: tuple[Number, ...] = (0.5,)
    monitor: str = "val_loss"
    direction: Direction = "min"

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(later <= earlier for earlier, later in pairwise(self.epochs)):
            do = f"give epochs={shown(sorted(set(self.epochs)))}"
            raise ConfigError("epochs", self.epochs, allowed="epochs in rising order, each once", do=do)
        if len(self.epochs) != len(self.bounds):
            do = f"give {counted(len(self.epochs), 'number')} in bounds=[...]"
            raise ConfigError("bounds", self.bounds, allowed="one bound for each of epochs", do=do)

    def verdict(self, rows: Sequence[Row], elapsed_s: float = 0.0) -> str | None:
        if len(rows) not in self.epochs:
            return None
        bound = self.bounds[self.epochs.index(len(rows))]
        sign = 1 if self.direction == "min" else -1
        best = min((sign * row[self.monitor] for row in rows if math.isfinite(row[self.monitor])), default=math.inf)
        if best <= sign * bound:
            return None
        found = f"is {sign * best:.6g}" if math.isfinite(best) else "was never finite"
        after = counted(len(rows), "epoch")
        return f"the best {self.monitor} after {after} {found}, and the bound there is {bound:.6g}"

    @property
    def watched(self) -> Mapping[str, tuple[str, Direction | None]]:
        return {"monitor": (self.monitor, self.direction)}
