from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from runner.core.check import Positive
from runner.init.base import Init


@final
@dataclass(frozen=True)
class TruncatedNormal(Init):
    """Normal weights of one fixed deviation, drawn again where they lie too far out.

        w ~ N(0, std^2) given |w| <= cut * std

    Truncation takes spread away: with cut 2 the deviation of what is left is 0.8796 std.

    std: the standard deviation before the cut
    cut: where the tails are cut off, in standard deviations

    >>> weight = torch.empty(100, 100)
    >>> TruncatedNormal(std=1.0).fill(weight, 100, 100, torch.Generator().manual_seed(0))
    >>> weight.abs().max().item() <= 2, 0.85 < weight.std().item() < 0.91
    (True, True)

    Source: Su, "weight initialization": N_T(0, 0.01^2), for ReLU; the slide does not say where it is cut, 2 deviations
    are usual.
    Here: the bounds of torch.nn.init.trunc_normal_ are absolute: its defaults -2 and 2 cut nothing at std = 0.01. It
    draws from the same stream and is given a = -cut std, b = cut std.
    """

    std: Positive = 0.01
    cut: Positive = 2.0

    def fill(self, weight: Tensor, d_in: int, d_out: int, stream: torch.Generator) -> None:
        bound = self.cut * self.std
        nn.init.trunc_normal_(weight, 0.0, self.std, -bound, bound, generator=stream)
