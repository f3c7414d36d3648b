from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from runner.init.base import Init


@final
@dataclass(frozen=True)
class KaimingUniform(Init):
    """Uniform weights whose variance 2/d_in keeps the second moment of ReLU units from layer to layer.

        w ~ U(-a, a),  a = sqrt(6 / d_in)

    d_in is the layer's fan-in.

    >>> weight = torch.empty(100, 600)
    >>> KaimingUniform().fill(weight, 600, 100, torch.Generator().manual_seed(0))
    >>> 0.0999 < weight.max().item() <= 0.1
    True

    Source: He, Zhang, Ren & Sun 2015 (arXiv 1502.01852); Sun p. 41.
    Here: torch.nn.Linear's own start is called kaiming_uniform_ too, with a = sqrt(5): that is U(-1/sqrt(d_in),
    1/sqrt(d_in)), a sixth of this variance. It is `torch_default`.
    """

    def fill(self, weight: Tensor, d_in: int, d_out: int, stream: torch.Generator) -> None:
        a = (6 / d_in) ** 0.5
        weight.uniform_(-a, a, generator=stream)
