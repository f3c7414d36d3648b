from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

from torch import nn

from runner.architecture.base import Architecture


@final
@dataclass(frozen=True)
class Linear(Architecture):
    """One affine map: linear regression with mse, softmax regression with cross_entropy.

        output = W x + b

    W `[outputs, d_in]`, b `[outputs]`. The loss is convex in theta.

    >>> sum(p.numel() for p in Linear().build((64,), 10).parameters())
    650
    """

    def build(self, inputs: tuple[int, ...], outputs: int) -> nn.Module:
        return nn.Linear(math.prod(inputs), outputs)
