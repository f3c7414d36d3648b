from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from runner.stop.base import Direction, Row, Stop


@final
@dataclass(frozen=True)
class Target(Stop):
    """Stop when a number has become good enough.

        stop when  monitor_e <= value   (direction=min)   or   monitor_e >= value   (direction=max)

    A number that is not finite has not reached anything.

    monitor: a column of metrics.csv
    value: the target
    direction: min for losses and errors, max for accuracies

    >>> Target(monitor="val_accuracy", value=0.9, direction="max").verdict([{"val_accuracy": 0.925}])
    'val_accuracy is 0.925, which reaches the target 0.9'

    Source: Sun p. 14, one of the stopping criteria.
    Here: a single lucky epoch is enough, and on validation data that number is too good by what the luck was.
    """

    monitor: str = "val_loss"
    value: float = 0.1
    direction: Direction = "min"

    def verdict(self, rows: Sequence[Row], elapsed_s: float = 0.0) -> str | None:
        found = rows[-1][self.monitor]
        reached = found <= self.value if self.direction == "min" else found >= self.value
        if not (reached and math.isfinite(found)):
            return None
        return f"{self.monitor} is {found:.6g}, which reaches the target {self.value:g}"

    @property
    def watched(self) -> Mapping[str, tuple[str, Direction | None]]:
        return {"monitor": (self.monitor, self.direction)}
