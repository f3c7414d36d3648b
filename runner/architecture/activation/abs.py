from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from runner.architecture.activation.base import Activation


@final
@dataclass(frozen=True)
class Abs(Activation):
    """The absolute value: never flat, and keeps the second moment of its input.

        sigma(x) = |x| = relu(x) + relu(-x)

    The derivative is -1 or 1 (0 at x = 0), so no unit saturates or dies, and weights of variance 1/d_in keep the
    second moment from layer to layer, where a ReLU needs 2/d_in.

    >>> Abs().function()(torch.tensor([-2.0, 3.0])).tolist()
    [2.0, 3.0]

    Source: Sun p. 10, which asks about it.
    """

    def function(self) -> Callable[[Tensor], Tensor]:
        return torch.abs
