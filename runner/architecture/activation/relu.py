from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from runner.architecture.activation.base import Activation


@final
@dataclass(frozen=True)
class ReLU(Activation):
    """The rectifier: what is positive passes, the rest is 0.

        sigma(x) = max(0, x)

    The derivative is 1 or 0 (0 at x = 0, as in torch). A unit whose input is negative on every example is dead: all
    gradients of its weights are exactly 0 and it stays so.

    >>> ReLU().function()(torch.tensor([-2.0, 3.0])).tolist()
    [0.0, 3.0]

    Source: Sun p. 9 and 10 ("most popular"); Grosse, "dead units".
    """

    def function(self) -> Callable[[Tensor], Tensor]:
        return torch.relu
