"""A triangular factor of a symmetric matrix that may not be positive definite."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Factor:
    """L `[n, n]` lower triangular with L L^T = A + tau I; `tries` factorizations were made."""

    L: Tensor
    tau: float
    tries: int

    def solve(self, b: Tensor) -> Tensor:
        """(A + tau I)^-1 b for b `[n]`, in n^2 multiplications."""
        x: Tensor = torch.cholesky_solve(b.unsqueeze(1), self.L).squeeze(1)
        return x


def modified_cholesky(A: Tensor, beta: float = 1e-3) -> Factor:
    """The Cholesky factor of A + tau I for the first tau of a growing list that has one.

        tau_0 = 0 if min a_ii > 0, else -min a_ii + beta;    tau <- max(2 tau, beta)

    So Newton's direction -(A + tau I)^-1 g descends. A positive definite A with min a_ii > 0 stays as it is; else
    tau is at most twice the least shift that suffices, or beta more.

    A `[n, n]`: symmetric and finite; the lower triangle is read
    beta: the least shift, above 0, in the units of A; 1e-3 is the book's

    Each try costs n^3 / 3 multiplications; to avoid many of them give the last tau as beta.
    Raises FloatingPointError for an A that is not finite.

    >>> factor = modified_cholesky(torch.diag(torch.tensor([1.5, -2.0])), beta=0.5)
    >>> factor.tau, factor.tries, factor.solve(torch.tensor([4.0, 1.0])).tolist()
    (2.5, 1, [1.0, 2.0])

    Source: Nocedal & Wright 2006, algorithm 3.3, Cholesky with added multiple of the identity.
    """
    if not torch.isfinite(A).all():
        raise FloatingPointError(
            "the matrix to factor holds nan or inf: no shift helps, check the loss and its curvature"
        )
    least = float(A.diagonal().min())
    tau = 0.0 if least > 0 else beta - least
    tries = 0
    while True:
        L, failed = torch.linalg.cholesky_ex(A + tau * torch.eye(len(A), dtype=A.dtype, device=A.device))
        tries += 1
        if not failed:
            return Factor(L, tau, tries)
        tau = max(2 * tau, beta)
