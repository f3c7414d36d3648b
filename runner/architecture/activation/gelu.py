from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, final

from torch import Tensor
from torch.nn import functional

from runner.architecture.activation.base import Activation
from runner.core.rows import RoundsByPlace


@final
@dataclass(frozen=True)
class GELU(Activation):
    """The input times the probability that a standard normal number is below it.

        none  sigma(x) = x Phi(x)
        tanh  sigma(x) = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))

    Phi is the distribution function of N(0, 1). Smooth, not monotone: the minimum is -0.17 at x = -0.75.

    approximate: none, or the formula with tanh, which is within 0.0005 of it

    >>> import torch
    >>> GELU().function()(torch.tensor([-0.7518]))
    tensor([-0.1700])

    Source: Hendrycks & Gimpel 2016 (arXiv 1606.08415).
    """

    approximate: Literal["none", "tanh"] = "none"

    def function(self) -> Callable[[Tensor], Tensor]:
        return RoundsByPlace(partial(functional.gelu, approximate=self.approximate))
