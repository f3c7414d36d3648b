from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from runner.init.base import Init


@final
@dataclass(frozen=True)
class FanOut(Init):
    """Normal weights whose variance 1/d_out keeps the second moment of the gradient on its way back.

        w ~ N(0, 1 / d_out)

    The backward pass multiplies by W^T, whose rows sum over the d_out units that an input feeds, its fan-out.

    >>> weight = torch.empty(400, 100)
    >>> FanOut().fill(weight, 100, 400, torch.Generator().manual_seed(0))
    >>> round(weight.std().item(), 3)  # 1 / sqrt(400)
    0.05

    Source: Sun p. 40.
    Here: there is no factor 2 for ReLU; torch's `kaiming_normal_(mode="fan_out")` has one.
    """

    def fill(self, weight: Tensor, d_in: int, d_out: int, stream: torch.Generator) -> None:
        weight.normal_(0.0, (1 / d_out) ** 0.5, generator=stream)
