from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from runner.architecture.activation.base import Activation
from runner.core.rows import RoundsByPlace


@final
@dataclass(frozen=True)
class Sigmoid(Activation):
    """The logistic function: smooth, between 0 and 1, flat on both sides.

        sigma(x) = 1 / (1 + e^-x);   sigma' = sigma (1 - sigma) <= 1/4

    The derivative is below 0.0025 for |x| > 6 (saturation), and at most 1/4: through L layers a gradient shrinks by
    4^-L and more. The outputs have mean 1/2, not 0.

    >>> Sigmoid().function()(torch.tensor(0.0))
    tensor(0.5000)

    Source: Sun p. 8 and 10 ("should be avoided"); Grosse, "plateaux" and "centering": tanh instead.
    """

    def function(self) -> Callable[[Tensor], Tensor]:
        return RoundsByPlace(torch.sigmoid)
