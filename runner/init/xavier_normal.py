from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from runner.init.base import Init


@final
@dataclass(frozen=True)
class XavierNormal(Init):
    """Normal weights whose variance 2/(d_in + d_out) is a compromise between forward and backward pass.

        w ~ N(0, 2 / (d_in + d_out))

    d_in and d_out are the layer's fan-in and fan-out.

    >>> weight = torch.empty(300, 500)
    >>> XavierNormal().fill(weight, 500, 300, torch.Generator().manual_seed(0))
    >>> round(weight.std().item(), 3)  # sqrt(2 / 800)
    0.05

    Source: Glorot & Bengio 2010; Sun p. 40.
    """

    def fill(self, weight: Tensor, d_in: int, d_out: int, stream: torch.Generator) -> None:
        weight.normal_(0.0, (2 / (d_in + d_out)) ** 0.5, generator=stream)
