from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from runner.core.theta import Layout
from runner.regularizer.base import Regularizer, total


@final
@dataclass(frozen=True)
class SumOf(Regularizer):
    """Several penalties at once, added.

        Omega(theta) = Omega_1(theta) + Omega_2(theta) + ...

    terms: regularizers by name, as in `regularizer.terms.l1.strength=1e-3`; without any it is `none`

    >>> from runner.core.theta import adopt
    >>> from runner.regularizer.l1 import L1
    >>> from runner.regularizer.l2 import L2
    >>> theta, layout = adopt(torch.nn.Linear(2, 1))
    >>> _ = theta.copy_(torch.tensor([1.0, -2.0, 9.0]))
    >>> SumOf(terms={"l1": L1(strength=1.0), "l2": L2(strength=1.0)}).value(theta, layout).item()  # 3 + 5/2
    5.5

    Source: Zou & Hastie 2005 for l1 + l2, the elastic net.
    """

    terms: dict[str, Regularizer] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        return ("penalty",) if self.terms else ()

    @property
    def in_rows(self) -> bool:
        return all(term.in_rows for term in self.terms.values())

    @property
    def term(self) -> Regularizer | None:
        return self if self.terms else None

    def value(self, theta: Tensor, layout: Layout) -> Tensor:
        return total([term.value(theta, layout) for term in self.terms.values()], theta)

    def value_and_grad(self, theta: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
        value, gradient = theta.new_zeros(theta.shape[:-1]), torch.zeros_like(theta)
        for term in self.terms.values():
            one, its = term.value_and_grad(theta, layout)
            value, gradient = value + one, gradient.add_(its)
        return value, gradient

    def measure(self, theta: Tensor, layout: Layout) -> tuple[float, ...]:
        return (self.value(theta, layout).item(),) if self.terms else ()
