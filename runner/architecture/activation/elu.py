from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import final

from torch import Tensor
from torch.nn import functional

from runner.architecture.activation.base import Activation
from runner.core.check import Positive
from runner.core.rows import RoundsByPlace


@final
@dataclass(frozen=True)
class ELU(Activation):
    """A rectifier that goes smoothly to a negative constant, so that the mean output is nearer 0.

        sigma(x) = x  if x > 0,  else  alpha (e^x - 1)

    alpha: minus the limit for x -> -inf; with 1 the derivative is continuous

    >>> import torch
    >>> ELU().function()(torch.tensor([-100.0, 3.0])).tolist()
    [-1.0, 3.0]

    Source: Clevert, Unterthiner & Hochreiter 2016 (arXiv 1511.07289), with alpha = 1; Sun p. 6, figure.
    """

    alpha: Positive = 1.0

    def function(self) -> Callable[[Tensor], Tensor]:
        return RoundsByPlace(partial(functional.elu, alpha=self.alpha))
