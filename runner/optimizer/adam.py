from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final

from torch import Tensor

from runner.core.check import Below1, Positive
from runner.linalg.vector import add_quotient_, sqrt
from runner.optimizer.base import Elementwise, State, adam_kernel, denominator, moments, root_in_words


@final
@dataclass(frozen=True)
class Adam(Elementwise):
    """Step along the running mean of the gradient, divided by the root of its running mean square.

        m     <- beta1 m + (1 - beta1) g
        s     <- beta2 s + (1 - beta2) g^2
        theta <- theta - lr * m^ / (sqrt(s^) + eps),   m^ = m / (1 - beta1^t),   s^ = s / (1 - beta2^t)

    m and s start at 0, which the divisors correct: after one step m^ = g and s^ = g^2, so the first step is
    lr g / (|g| + eps), close to lr in every element.

    betas: (beta1, beta2), the shares of m and of s that are kept
    eps: keeps the quotient finite where s is 0
    bias_correction: both; or none, as Sun p. 30 and Su print it: m^ = m, s^ = s, a first step of 3.2 lr
    eps_placement: outside_corrected, as above; outside, next to the root of s before it is corrected; inside, under the
        root of s^; none, and then a step of 0 where s is 0

    >>> Adam(betas=(0, 0.999)).equivalent_to(lr=0.001)
    'torch.optim.Adam(lr=0.001, betas=(0.0, 0.999), eps=1e-08)'

    Source: Kingma & Ba 2015 (arXiv 1412.6980), algorithm 1. Sun p. 30 and Su print it without the divisors.
    Here: Su and Grosse say that beta1 = 0 gives RMSProp. That holds only for bias_correction=none; with the correction
    the first step is lr instead of lr / sqrt(1 - beta2), 31.6 times as much. `outside` is the form at the end of
    section 2 of the paper, with its eps-hat. SparseAdam, which Sun lists, is Adam that skips elements whose gradient is
    not stored; every gradient here is dense, so it would be this rule.
    """

    memory: ClassVar[tuple[str, ...]] = ("m", "s")

    betas: tuple[Below1, Below1] = (0.9, 0.999)
    eps: Positive = 1e-8
    bias_correction: Literal["both", "none"] = "both"
    eps_placement: Literal["outside_corrected", "outside", "inside", "none"] = "outside_corrected"

    def update(self, theta: Tensor, g: Tensor, state: State, lr: float, t: int) -> None:
        beta1, beta2 = self.betas
        m, s = moments(state, g, self.betas)
        correct = self.bias_correction == "both"
        # m^ / (sqrt(s^) + eps) = c/(1 - beta1^t) * m / (sqrt(s) + c eps), c = sqrt(1 - beta2^t): one pass less
        c = sqrt(1 - beta2**t) if correct else 1.0
        rate = lr * c / (1 - beta1**t) if correct else lr
        eps = self.eps * {"outside_corrected": c, "outside": 1.0, "inside": c * c, "none": 0.0}[self.eps_placement]
        add_quotient_(theta, -rate, m, denominator(s, eps, self.eps_placement.removesuffix("_corrected")))

    def update_long(self, theta: Tensor, g: Tensor, state: State, lr: float, t: int) -> None:
        """torch's kernel for the form that torch has, where there is one run."""
        if theta.dim() == 1 and self.standard:
            adam_kernel(theta, g, state, lr, self.betas, self.eps, t)
        else:
            super().update_long(theta, g, state, lr, t)

    @property
    def standard(self) -> bool:
        """Whether the form is that of algorithm 1 of the paper, and of torch."""
        return self.bias_correction == "both" and self.eps_placement == "outside_corrected"

    def rule(self, lr: float) -> str:
        beta1, beta2 = self.betas
        m, s = "m", "s"
        if self.bias_correction == "both":
            m, s = f"m/(1 - {beta1}^t)", f"s/(1 - {beta2}^t)"
        root = root_in_words(s, self.eps, self.eps_placement.removesuffix("_corrected"))
        if self.eps_placement == "outside" and self.bias_correction == "both":
            root = f"(sqrt(s) + {self.eps}) * sqrt(1 - {beta2}^t)"
        return (
            f"m <- {beta1} m + {1 - beta1:.6g} g;  s <- {beta2} s + {1 - beta2:.6g} g^2;  "
            f"theta <- theta - {lr} {m} / {root}"
        )

    def equivalent_to(self, lr: float) -> str | None:
        if self.standard:
            return f"torch.optim.Adam(lr={lr}, betas={self.betas}, eps={self.eps})"
        if self.betas[0] == 0 and self.bias_correction == "none" and self.eps_placement.startswith("outside"):
            return f"torch.optim.RMSprop(lr={lr}, alpha={self.betas[1]}, eps={self.eps})"
        return None
