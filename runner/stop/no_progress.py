from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from runner.core.check import Count, NonNegative
from runner.stop.base import Direction, Row, Stop, counted


@final
@dataclass(frozen=True)
class NoProgress(Stop):
    """Stop when a number has stayed where it is for some epochs, neither better nor worse.

        stop when  max - min <= tolerance max(|max|, |min|)   over the last `patience` + 1 values of monitor

    Values that are not finite are left out; if none is finite, there was no progress either. With probe=distance and
    monitor=distance_from_start it is the parameters that have to stay.

    monitor: a column of metrics.csv
    patience: epochs over which it has to stay
    tolerance: how much it may move, as a share of its size

    >>> rows = [{"train_loss": loss} for loss in (2.0, 1.0, 1.0, 1.0)]
    >>> NoProgress(patience=2).verdict(rows)
    'train_loss moved by 0 in 2 epochs'

    Source: the usual tests ftol and xtol of numerical optimization, as in scipy.optimize.minimize; Sun p. 14.
    Here: a noisy loss never stays. For mini-batches this wants a generous tolerance, or early_stopping.
    """

    monitor: str = "train_loss"
    patience: Count = 5
    tolerance: NonNegative = 1e-4

    def verdict(self, rows: Sequence[Row], elapsed_s: float = 0.0) -> str | None:
        if len(rows) <= self.patience:
            return None
        values = [row[self.monitor] for row in rows[-self.patience - 1 :]]
        finite = [value for value in values if math.isfinite(value)]
        when = counted(self.patience, "epoch")
        if not finite:
            return f"{self.monitor} was not finite for {when}"
        high, low = max(finite), min(finite)
        if high - low > self.tolerance * max(abs(high), abs(low)):
            return None
        return f"{self.monitor} moved by {high - low:.3g} in {when}"

    @property
    def watched(self) -> Mapping[str, tuple[str, Direction | None]]:
        return {"monitor": (self.monitor, None)}
