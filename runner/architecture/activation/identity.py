from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from torch import Tensor

from runner.architecture.activation.base import Activation


@final
@dataclass(frozen=True)
class Identity(Activation):
    """No activation: a network of affine maps, which is one affine map.

        sigma(x) = x

    Its loss is still not convex in theta: a product of matrices is trained.

    Source: Sun p. 11, as the output activation of a regression.
    """

    def function(self) -> Callable[[Tensor], Tensor]:
        return lambda x: x
