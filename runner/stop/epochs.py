from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from runner.core.check import Count
from runner.stop.base import Row, Stop, counted


@final
@dataclass(frozen=True)
class Epochs(Stop):
    """Stop after a fixed number of epochs.

        stop when e = epochs

    epochs: how many

    >>> Epochs(epochs=2).verdict([{"epoch": 1}, {"epoch": 2}])
    'reached the limit of 2 epochs'

    Source: Farrahi p. 3, "for a number of epochs".
    """

    epochs: Count = 30

    def verdict(self, rows: Sequence[Row], elapsed_s: float = 0.0) -> str | None:
        return f"reached the limit of {counted(self.epochs, 'epoch')}" if len(rows) >= self.epochs else None

    @property
    def limit(self) -> int:
        return self.epochs
