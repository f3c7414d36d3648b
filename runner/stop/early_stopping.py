from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from runner.core.check import Count, NonNegative
from runner.core.fold import folded
from runner.stop.base import Direction, Row, Stop, counted

State = tuple[float, int, int]  # best, its epoch, epochs since


@final
@dataclass(frozen=True)
class EarlyStopping(Stop):
    """Stop when the validation loss, or another number, has not improved for some epochs.

        stop when  monitor_e >= best - min_delta  in `patience` epochs in a row,  best = the lowest so far

    An epoch improves only if it is lower than the best by more than min_delta (direction=max: higher); the best then
    becomes its value. A number that is not finite never improves.

    patience: epochs without improvement that are waited for
    min_delta: how much lower counts as an improvement, in units of the number
    monitor: a column of metrics.csv
    direction: min for losses and errors, max for accuracies

    >>> rows = [{"epoch": e, "val_loss": v} for e, v in enumerate([1.0, 0.5, 0.6, 0.7], start=1)]
    >>> EarlyStopping(patience=2).verdict(rows)
    'no improvement of val_loss for 2 epochs; the best was 0.5 in epoch 2'

    Source: Sun p. 44; Prechelt 1998, "Early stopping - but when?".
    Here: there is no restore_best. The run always keeps, and tests, the parameters of the epoch with the lowest
    val_loss, whatever is monitored; theta itself goes on from the last step.
    """

    patience: Count = 10
    min_delta: NonNegative = 0.0
    monitor: str = "val_loss"
    direction: Direction = "min"

    def verdict(self, rows: Sequence[Row], elapsed_s: float = 0.0) -> str | None:
        start: State = (math.inf, 0, 0)
        best, epoch, waited = folded(self, rows, start, self.after)
        if waited < self.patience:
            return None
        was = f"the best was {self.sign * best:.6g} in epoch {epoch}" if epoch else "it was never finite"
        return f"no improvement of {self.monitor} for {counted(waited, 'epoch')}; {was}"

    def after(self, state: State, row: Row) -> State:
        """The state after one more epoch; of `best` the sign is such that lower is better."""
        best, epoch, waited = state
        now, value = epoch + waited + 1, self.sign * row[self.monitor]
        improves = math.isfinite(value) and value < best - self.min_delta
        return (value, now, 0) if improves else (best, epoch, waited + 1)

    @property
    def sign(self) -> int:
        return 1 if self.direction == "min" else -1

    @property
    def watched(self) -> Mapping[str, tuple[str, Direction | None]]:
        return {"monitor": (self.monitor, self.direction)}
