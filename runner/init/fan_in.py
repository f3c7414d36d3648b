from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from runner.init.base import Init


@final
@dataclass(frozen=True)
class FanIn(Init):
    """Normal weights whose variance 1/d_in keeps the second moment of linear units, as LeCun's does.

        w ~ N(0, 1 / d_in)

    For inputs v with second moment q, E[(w.v)^2] = d_in Var(w) q = q. Other names: lecun_normal. d_in is the layer's
    fan-in.

    >>> weight = torch.empty(100, 400)
    >>> FanIn().fill(weight, 400, 100, torch.Generator().manual_seed(0))
    >>> round(weight.std().item(), 3)  # 1 / sqrt(400)
    0.05

    Source: LeCun, Bottou, Orr & Mueller 1998, "Efficient BackProp", section 4.6; Su, "weight initialization":
    sigma_i = 1 / sqrt(neurons of layer i - 1); Sun p. 39.
    Here: a ReLU behind it halves the second moment in every layer; `kaiming_normal` has the factor 2 for that.
    """

    def fill(self, weight: Tensor, d_in: int, d_out: int, stream: torch.Generator) -> None:
        weight.normal_(0.0, (1 / d_in) ** 0.5, generator=stream)
