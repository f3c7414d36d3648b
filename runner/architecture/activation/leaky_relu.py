from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import final

from torch import Tensor
from torch.nn import functional

from runner.architecture.activation.base import Activation
from runner.core.check import NonNegative


@final
@dataclass(frozen=True)
class LeakyReLU(Activation):
    """A rectifier with a small slope below 0, so that no unit can die.

        sigma(x) = x  if x > 0,  else  negative_slope x

    negative_slope: the derivative for x <= 0; for at most 1, sigma(x) = max(negative_slope x, x)

    >>> import torch
    >>> LeakyReLU().function()(torch.tensor([-2.0, 3.0]))
    tensor([-0.0200,  3.0000])

    Source: Maas, Hannun & Ng 2013; Sun p. 9, with slope 0.01.
    """

    negative_slope: NonNegative = 0.01

    def function(self) -> Callable[[Tensor], Tensor]:
        return partial(functional.leaky_relu, negative_slope=self.negative_slope)
