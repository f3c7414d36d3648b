from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from runner.core.check import Count, NonNegative
from runner.stop.base import Row, Stop


@final
@dataclass(frozen=True)
class EarlyStopping(Stop):
    """Stop when the validation loss has not improved for some epochs.

        stop when  val_loss_e >= best - min_delta  in `patience` epochs in a row,  best = the lowest so far

    An epoch improves only if it is lower than the best by more than min_delta; the best then becomes its value.
    A validation loss that is not finite never improves.

    patience: epochs without improvement that are waited for
    min_delta: how much lower counts as an improvement, in units of the loss

    >>> rows = [{"epoch": e, "val_loss": v} for e, v in enumerate([1.0, 0.5, 0.6, 0.7], start=1)]
    >>> EarlyStopping(patience=2).verdict(rows)
    'no improvement of val_loss for 2 epochs; the best was 0.5 in epoch 2'

    Source: Sun p. 44; Prechelt 1998, "Early stopping - but when?".
    """

    patience: Count = 10
    min_delta: NonNegative = 0.0

    def verdict(self, rows: Sequence[Row]) -> str | None:
        best, best_epoch, waited = math.inf, 0, 0
        for epoch, row in enumerate(rows, start=1):
            if math.isfinite(row["val_loss"]) and row["val_loss"] < best - self.min_delta:
                best, best_epoch, waited = row["val_loss"], epoch, 0
            else:
                waited += 1
        if waited < self.patience:
            return None
        best_was = f"the best was {best:.6g} in epoch {best_epoch}" if best_epoch else "it was never finite"
        word = "epoch" if waited == 1 else "epochs"
        return f"no improvement of val_loss for {waited} {word}; {best_was}"
