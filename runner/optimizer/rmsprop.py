from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from runner.core.check import Below1, Positive
from runner.core.theta import Layout
from runner.linalg.vector import add_product_, add_quotient_, add_scaled_
from runner.optimizer.base import Elementwise, EpsPlacement, State, denominator, root_in_words


@final
@dataclass(frozen=True)
class RMSprop(Elementwise):
    """Step along the gradient, each element divided by the root of its running mean square.

        s     <- beta s + (1 - beta) g^2
        v     <- mu v + g / (sqrt(s) + eps)
        theta <- theta - lr v

    s and v start at 0 and s is not corrected for it, so the first step is lr / sqrt(1 - beta), ten times lr for the
    usual beta. With mu = 0 there is no velocity: the step is lr g / (sqrt(s) + eps).

    beta: the share of s that is kept (rho in Su, alpha in torch); 0.9 and 0.99 are usual
    eps: keeps the quotient finite where s is 0
    eps_placement: outside the root, as above; inside, sqrt(s + eps), where eps counts as its root does outside; none,
        and then a step of 0 where s is 0
    mu: the share of the velocity that is kept
    centered: divide by the running deviation: s - m^2 in place of s, with m <- beta m + (1 - beta) g

    >>> RMSprop(eps_placement="none").rule(0.001)
    's <- 0.99 s + 0.01 g^2;  theta <- theta - 0.001 g / sqrt(s), 0/0 = 0'

    Source: Hinton 2012, Coursera lecture 6e; Sun p. 29 (beta); Su, "RMSProp", without eps; Farrahi p. 20. The centered
    form is that of Graves 2013 (arXiv 1308.0850), equations 38 to 45.
    Here: Su's update is an image that the text has lost; without eps it divides 0 by 0 at an element whose gradients
    were all 0. eps_placement=none makes that a step of 0. Rounding can make s - m^2 negative; it counts as 0 then.
    """

    memory: ClassVar[tuple[str, ...]] = ("s", "m", "v")

    beta: Below1 = 0.99
    eps: Positive = 1e-8
    eps_placement: EpsPlacement = "outside"
    mu: Below1 = 0.0
    centered: bool = False

    def start(self, theta: Tensor, layout: Layout) -> State:
        kept = ["s", *(["m"] if self.centered else []), *([] if self.mu == 0 else ["v"])]
        return {name: torch.zeros_like(theta) for name in kept}

    def update(self, theta: Tensor, g: Tensor, state: State, lr: float, t: int) -> None:
        s = add_product_(state["s"].mul_(self.beta), 1 - self.beta, g, g)
        if self.centered:
            m = state["m"].lerp_(g, 1 - self.beta)
            s = s.addcmul(m, m, value=-1).clamp_(min=0.0)
        divisor = denominator(s, self.eps, self.eps_placement)
        if self.mu == 0:
            add_quotient_(theta, -lr, g, divisor)
        else:
            add_scaled_(theta, -lr, state["v"].mul_(self.mu).addcdiv_(g, divisor))

    def rule(self, lr: float) -> str:
        lines = [f"s <- {self.beta} s + {1 - self.beta:.6g} g^2"]
        if self.centered:
            lines.append(f"m <- {self.beta} m + {1 - self.beta:.6g} g")
        step = f"g / {root_in_words('s - m^2' if self.centered else 's', self.eps, self.eps_placement)}"
        if self.mu:
            lines.append(f"v <- {self.mu} v + {step}")
        lines.append(f"theta <- theta - {lr} {'v' if self.mu else step}")
        return ";  ".join(lines)

    def equivalent_to(self, lr: float) -> str | None:
        if self.eps_placement != "outside":
            return None
        arguments = f"alpha={self.beta}, eps={self.eps}, momentum={self.mu}, centered={self.centered}"
        return f"torch.optim.RMSprop(lr={lr}, {arguments})"
