from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from runner.architecture.activation.base import Activation


@final
@dataclass(frozen=True)
class Tanh(Activation):
    """The hyperbolic tangent: smooth, between -1 and 1, flat on both sides.

        sigma(x) = (e^x - e^-x) / (e^x + e^-x) = 2 sigmoid(2x) - 1;   sigma' = 1 - sigma^2 <= 1

    Its outputs are centred at 0, unlike those of the sigmoid; it saturates like it.

    >>> Tanh().function()(torch.tensor(0.0))
    tensor(0.)

    Source: Sun p. 8 and 10 ("okay"); Grosse, "centering": replace the logistic by tanh.
    """

    def function(self) -> Callable[[Tensor], Tensor]:
        return torch.tanh
