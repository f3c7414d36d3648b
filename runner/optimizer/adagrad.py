from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor
from torch.optim.adagrad import adagrad

from runner.core.check import Positive
from runner.linalg.vector import add_quotient_
from runner.optimizer.base import Elementwise, EpsPlacement, State, denominator, root_in_words


@final
@dataclass(frozen=True)
class Adagrad(Elementwise):
    """Step along the gradient, each element divided by the root of the sum of its squares so far.

        s     <- s + g^2
        theta <- theta - lr g / (sqrt(s) + eps)

    s starts at 0 and never shrinks, so the steps do: under a constant gradient step t has the length lr / sqrt(t).

    eps: keeps the quotient finite where s is 0
    eps_placement: outside the root, as above; inside, sqrt(s + eps), where eps counts as its root does outside; none,
        and then a step of 0 where s is 0

    >>> Adagrad(eps_placement="inside").rule(0.1)
    's <- s + g^2;  theta <- theta - 0.1 g / sqrt(s + 1e-10)'

    Source: Duchi, Hazan & Singer 2011; Sun p. 28, whose text lost how far the root reaches; Farrahi p. 20. eps as in
    torch.
    """

    memory: ClassVar[tuple[str, ...]] = ("s",)

    eps: Positive = 1e-10
    eps_placement: EpsPlacement = "outside"

    def update(self, theta: Tensor, g: Tensor, state: State, lr: float, t: int) -> None:
        s = state["s"].addcmul_(g, g)
        add_quotient_(theta, -lr, g, denominator(s, self.eps, self.eps_placement))

    def update_long(self, theta: Tensor, g: Tensor, state: State, lr: float, t: int) -> None:
        """torch's kernel of one pass for the form that torch has, where there is one run."""
        if theta.dim() > 1 or self.eps_placement != "outside" or theta.device.type != "cpu":  # it has none for a GPU
            super().update_long(theta, g, state, lr, t)
            return
        adagrad(
            [theta], [g], [state["s"]], [torch.tensor(float(t - 1))],
            lr=lr, eps=self.eps, weight_decay=0.0, lr_decay=0.0, maximize=False, fused=True,
        )  # fmt: skip

    def rule(self, lr: float) -> str:
        return f"s <- s + g^2;  theta <- theta - {lr} g / {root_in_words('s', self.eps, self.eps_placement)}"

    def equivalent_to(self, lr: float) -> str | None:
        return f"torch.optim.Adagrad(lr={lr}, eps={self.eps})" if self.eps_placement == "outside" else None
