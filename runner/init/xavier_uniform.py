from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from runner.init.base import Init


@final
@dataclass(frozen=True)
class XavierUniform(Init):
    """Uniform weights whose variance 2/(d_in + d_out) is a compromise between forward and backward pass.

        w ~ U(-a, a),  a = sqrt(6 / (d_in + d_out))

    d_in and d_out are the layer's fan-in and fan-out.

    Source: Glorot & Bengio 2010; Sun p. 40.
    """

    def fill(self, weight: Tensor, d_in: int, d_out: int, stream: torch.Generator) -> None:
        a = (6 / (d_in + d_out)) ** 0.5
        weight.uniform_(-a, a, generator=stream)
