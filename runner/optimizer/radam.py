from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from runner.core.check import Below1, Positive
from runner.linalg.vector import Scalar, add_scaled_, choose, larger, sqrt
from runner.optimizer.base import Elementwise, State, moments


@final
@dataclass(frozen=True)
class RAdam(Elementwise):
    """Adam whose divisor is used only once enough squares are in its mean, and shyly at first.

        m     <- beta1 m + (1 - beta1) g,   m^ = m / (1 - beta1^t)
        s     <- beta2 s + (1 - beta2) g^2
        rho   =  rho_inf - 2 t beta2^t / (1 - beta2^t),   rho_inf = 2/(1 - beta2) - 1
        r     =  sqrt( (rho - 4)(rho - 2) rho_inf / ((rho_inf - 4)(rho_inf - 2) rho) )
        theta <- theta - lr m^                                                where rho <= 5
        theta <- theta - lr r m^ * sqrt(1 - beta2^t) / (sqrt(s) + eps)        elsewhere

    rho is about the number of gradients in s; with few of them 1/sqrt(s) varies wildly, which r makes up for. With
    beta2 = 0.999 the first five steps go along m^ itself, so they are as large as the gradient.

    betas: (beta1, beta2), the shares of m and of s that are kept
    eps: keeps the quotient finite where s is 0

    >>> [t for t in range(1, 10) if RAdam().rectification(t) == 0]
    [1, 2, 3, 4, 5]

    Source: Liu et al. 2020 (arXiv 1908.03265), algorithm 2; rho > 5 instead of the paper's 4, and eps, as in torch.
    """

    memory: ClassVar[tuple[str, ...]] = ("m", "s")

    betas: tuple[Below1, Below1] = (0.9, 0.999)
    eps: Positive = 1e-8

    def rectification(self, t: int) -> Scalar:
        """r, or 0 where rho <= 5."""
        beta2 = self.betas[1]
        most = 2 / (1 - beta2) - 1
        rho = most - 2 * t * beta2**t / (1 - beta2**t)
        p, q = larger(rho, 5.0), larger(most, 5.0)  # rho <= rho_inf; below 5, where r is not used, divisors may be 0
        return choose(rho > 5, sqrt((p - 4) * (p - 2) * q / ((q - 4) * (q - 2) * p)), 0.0)

    def update(self, theta: Tensor, g: Tensor, state: State, lr: float, t: int) -> None:
        m, s = moments(state, g, self.betas)
        r = self.rectification(t)
        factor = choose(r > 0, r * sqrt(1 - self.betas[1] ** t) / s.sqrt().add_(self.eps), 1.0)
        add_scaled_(theta, -lr / (1 - self.betas[0] ** t), m * factor)

    def rule(self, lr: float) -> str:
        beta1, beta2 = self.betas
        return (
            f"m <- {beta1} m + {1 - beta1:.6g} g;  s <- {beta2} s + {1 - beta2:.6g} g^2;  "
            f"theta <- theta - {lr} m/(1 - {beta1}^t) [* r sqrt(1 - {beta2}^t) / (sqrt(s) + {self.eps}) once rho > 5]"
        )

    def equivalent_to(self, lr: float) -> str:
        return f"torch.optim.RAdam(lr={lr}, betas={self.betas}, eps={self.eps})"
