from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

from runner.core.check import Count, Index, NonNegative, Share, Unit
from runner.core.fold import folded
from runner.schedule.base import Progress, Row, Schedule, Sums

State = tuple[float, int, int, float]  # best, epochs without improvement, epochs of cooldown left, factor


@final
@dataclass(frozen=True)
class Plateau(Schedule):
    """Lower the learning rate when the loss has stopped improving.

        after epoch e:   bad <- 0 if loss_e improves on best, else bad + 1
                         if bad = patience:  lr_e <- max(shrink lr_e, floor lr),  bad <- 0

    A loss improves if it is finite and below best - threshold |best| (threshold_mode=rel), or
    below best - threshold (abs); the best then becomes its value. A NaN never improves.

    monitor: val_loss, or train_loss, the objective
    shrink: what a drop leaves of the rate
    patience: k, epochs without improvement
    counting: drop when so many epochs are reached (the deck), or when they are exceeded (torch)
    threshold: how much lower counts as an improvement
    threshold_mode: rel, as a share of the best, or abs, in units of the loss
    cooldown: epochs after a drop that are not counted as bad
    floor: the share of lr that is left at least

    >>> rows = [{"val_loss": loss} for loss in (1.0, 0.5, 0.6, 0.5)]
    >>> [Plateau(patience=2).factor(Progress(e, 1, 9), rows[:e]) for e in range(5)]
    [1.0, 1.0, 1.0, 1.0, 0.1]

    Source: Sun p. 22, "watch the validation error [or the objective] and decrease the LR when it stagnates"; Farrahi
    p. 18: no improvement within some tolerance for k epochs, then a factor of 10.
    torch.optim.lr_scheduler.ReduceLROnPlateau(patience, cooldown), called after every epoch, with its eps=0.
    Here: Farrahi drops after k bad epochs; torch waits until there are more than k, so its run drops an epoch later
    for the same patience: counting=exceed is torch's. In mode rel torch compares with best (1 - threshold), which for
    a loss below 0 takes a higher loss for an improvement.
    """

    monitor: Literal["val_loss", "train_loss"] = "val_loss"
    shrink: Share = 0.1
    patience: Count = 10
    counting: Literal["reach", "exceed"] = "reach"
    threshold: NonNegative = 1e-4
    threshold_mode: Literal["rel", "abs"] = "rel"
    cooldown: Index = 0
    floor: Unit = 0.0

    def factor(self, at: Progress, rows: Sequence[Row]) -> float:
        start: State = (math.inf, 0, 0, 1.0)
        return folded(self, rows, start, self.after)[-1]

    def after(self, state: State, row: Row) -> State:
        """The state after one more epoch."""
        best, bad, cooling, factor = state
        loss = row[self.monitor]
        if math.isfinite(loss) and self.improves(loss, best):
            best, bad = loss, 0
        else:
            bad += 1
        if cooling:
            cooling, bad = cooling - 1, 0
        if bad >= self.patience + (self.counting == "exceed"):
            return best, 0, self.cooldown, max(self.floor, factor * self.shrink)
        return best, bad, cooling, factor

    def improves(self, loss: float, best: float) -> bool:
        """Whether a finite loss is lower than the best by more than the threshold."""
        if math.isinf(best):  # none yet; threshold * inf would be NaN for a threshold of 0
            return True
        return loss < best - self.threshold * (abs(best) if self.threshold_mode == "rel" else 1.0)

    def sums(self) -> Sums:
        if self.floor > 0:
            return Sums(True, False, f"the rate never falls below {self.floor:g} of lr: both sums grow without end")
        return Sums(
            None,
            None,
            "after the last drop it is a constant rate, which fails the second condition; dropping "
            "every few epochs for ever it is a staircase, which fails the first",
        )

    @property
    def monitored(self) -> str:
        return self.monitor
