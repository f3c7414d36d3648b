from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

from runner.core.check import Unit
from runner.core.errors import ConfigError
from runner.schedule.base import Progress, Row, Schedule, Sums, ends_at


@final
@dataclass(frozen=True)
class WarmupStableDecay(Schedule):
    """Raise the learning rate, keep it for most of the run, and let it fall at the end.

        lr_k = lr (k + 1) / W                          for k < W         W = warm K, rounded
             = lr                                      for W <= k < K - D
             = lr (floor + (1 - floor) f(j / D))       j = k - (K - D)   D = decay K, rounded

    f(x) = 1 - x or 1 - sqrt(x); K = epochs * steps in an epoch. Up to K - D the rate does not depend on how long the
    run will be, so one long run can be continued, or ended from any of its checkpoints.

    warm: the share of all steps in which the rate rises
    decay: the share of all steps, at the end, in which it falls
    shape: linear, or sqrt, which falls fast first
    floor: the share of lr that is left at the end

    >>> [round(WarmupStableDecay(warm=0.25, decay=0.5).factor(Progress(k, 1, 8), []), 3) for k in range(9)]
    [0.5, 1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0]

    Source: Hu et al. 2024 (arXiv 2404.06395), section 4, "WSD"; the shapes: Haegele et al. 2024 (arXiv 2405.18392),
    where 1 - sqrt does better than the line.
    Here: Hu et al. let the rate fall exponentially, with a half-life of their own choice; that shape is left out.
    """

    warm: Unit = 0.1
    decay: Unit = 0.2
    shape: Literal["linear", "sqrt"] = "linear"
    floor: Unit = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.warm + self.decay > 1:
            raise ConfigError(
                "decay",
                self.decay,
                allowed=f"warm + decay <= 1, since both are shares of the run; warm is {self.warm:g}",
                do="give a smaller decay=... or warm=...",
            )

    def factor(self, at: Progress, rows: Sequence[Row]) -> float:
        total = at.total
        warm, falling = round(self.warm * total), round(self.decay * total)
        if at.step < warm:
            return (at.step + 1) / warm
        if at.step < total - falling:
            return 1.0
        share = min(1.0, (at.step - total + falling) / falling) if falling else 0.0
        left = 1 - (math.sqrt(share) if self.shape == "sqrt" else share)
        return self.floor + (1 - self.floor) * left

    def sums(self) -> Sums:
        return ends_at(self.floor if self.decay else 1.0, "after K steps")
