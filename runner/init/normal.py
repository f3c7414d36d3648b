from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from runner.core.check import NonNegative
from runner.init.base import Init


@final
@dataclass(frozen=True)
class Normal(Init):
    """Normal weights of one fixed deviation, whatever the layer's size.

        w ~ N(0, std^2)

    std: the standard deviation

    Source: Su, "weight initialization": std 0.01, "ok for < 8 layers"; deeper nets lose the signal.
    """

    std: NonNegative = 0.01

    def fill(self, weight: Tensor, d_in: int, d_out: int, stream: torch.Generator) -> None:
        weight.normal_(0.0, self.std, generator=stream)
