from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from runner.init.base import Init


@final
@dataclass(frozen=True)
class KaimingNormal(Init):
    """Normal weights whose variance 2/d_in keeps the second moment of ReLU units from layer to layer.

        w ~ N(0, 2 / d_in)

    d_in is the layer's fan-in.

    Source: He, Zhang, Ren & Sun 2015 (arXiv 1502.01852); Sun p. 41.
    Here: it is the second moment that is kept, not the variance as the slide says, since a ReLU's mean is not 0:
    Var(relu(u)) = s^2 (1/2 - 1/(2 pi)) = 0.341 s^2, E[relu(u)^2] = s^2 / 2. torch.nn.Linear's own default,
    `kaiming_uniform_(a=sqrt(5))`, has variance 1/(3 d_in) and is not this.
    """

    def fill(self, weight: Tensor, d_in: int, d_out: int, stream: torch.Generator) -> None:
        weight.normal_(0.0, (2 / d_in) ** 0.5, generator=stream)
