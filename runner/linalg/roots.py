"""A^(-1/p) of a positive semi-definite matrix, for preconditioners that are roots of accumulated squares.

Both ways compute in float64 whatever comes in and hand back the dtype that came: with condition
numbers near 1 / ridge the small eigenvalues, which dominate the root, are lost in float32's rounding.
Both raise the spectrum first by

    A <- A + ridge lambda_max I

Without it the root of a singular matrix is infinite. A zero matrix has no scale: FLOOR stands for its lambda_max.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from runner.linalg.power_iteration import power_iteration

RIDGE = 1e-6  # Anil et al. 2020, their ridge_epsilon
FLOOR = 1e-16  # the least lambda_max that a ridge is taken of, in the authors' program
SEED = 1729  # of the start of the power iteration, in the authors' program


def inverse_root(A: Tensor, p: float, ridge: float = RIDGE) -> Tensor:
    """A^(-1/p) for A `[..., n, n]`, by its eigenvectors.

        A = Q diag(lambda) Q^T;    Q diag((max(lambda, 0) + ridge lambda_max)^(-1/p)) Q^T

    Rounding makes zero eigenvalues slightly negative: they count as 0. About 9 n^3 multiplications.

    >>> inverse_root(torch.diag(torch.tensor([16.0, 81.0])), p=4, ridge=0.0).diagonal().tolist()
    [0.5, 0.3333333432674408]
    """
    lambdas, Q = torch.linalg.eigh(A.double())
    lambdas = lambdas.clamp(min=0)
    raised = lambdas + ridge * lambdas[..., -1:].clamp(min=FLOOR)
    root: Tensor = (Q * raised.pow(-1 / p).unsqueeze(-2)) @ Q.mT
    return root.to(A.dtype)


@dataclass(frozen=True)
class Root:
    """The root `[n, n]`, max |M - I| of the pair's other matrix, the iterations, and whether the tolerance was met."""

    root: Tensor
    error: float
    iterations: int
    converged: bool


def newton_inverse_root(A: Tensor, p: int, ridge: float = RIDGE, *, tolerance: float = 1e-6, limit: int = 100) -> Root:
    """A^(-1/p) for A `[n, n]`, by matrix products alone: the coupled Newton iteration.

        z = (1 + p) / (2 ||A||_F);    M <- z A;    H <- z^(1/p) I;    until max |M - I| <= tolerance:
            T = ((p + 1) I - M) / p;    M <- T^p M;    H <- H T

    H^p A = M throughout, so M -> I makes H the root. z puts the eigenvalues of M into (0, (p + 1) / 2], where they
    all tend to 1; small ones grow by (1 + 1/p)^p < e an iteration. Rounding ends the progress before an unreachable
    tolerance is met: where the error grows by more than 1.2 the H before is handed back.

    p: an integer from 1
    tolerance: of M, as a fraction of 1; H errs by about a p-th of it
    limit: most iterations

    About 2 + log2(p) products of n x n matrices an iteration, and up to 100 matrix-vector products for lambda_max.

    >>> found = newton_inverse_root(torch.diag(torch.tensor([16.0, 81.0])), p=4, ridge=0.0)
    >>> [round(x, 6) for x in found.root.diagonal().tolist()], found.converged
    ([0.5, 0.333333], True)

    Source: Anil et al. 2020 (arXiv 2002.09018), their program's matrix_inverse_pth_root with its constants;
    Higham 2008, (7.18).
    """
    n = len(A)
    one = torch.eye(n, dtype=torch.float64, device=A.device)
    start = torch.randn(n, dtype=torch.float64, generator=torch.Generator().manual_seed(SEED)).to(A.device)
    largest = power_iteration(A.double().mv, start, rtol=1e-6).value
    raised = A.double() + ridge * max(largest, FLOOR) * one
    z = (1 + p) / (2 * raised.norm())
    M, H, before = z * raised, z ** (1 / p) * one, one
    error, worst = float((M - one).abs().max()), float("inf")
    iterations = 0
    while error > tolerance and error < worst and iterations < limit:
        T = ((p + 1) * one - M) / p
        M, H, before = torch.linalg.matrix_power(T, p) @ M, H @ T, H
        error, worst = float((M - one).abs().max()), 1.2 * error
        iterations += 1
    root = H if error < worst else before
    return Root(root.to(A.dtype), error, iterations, error <= tolerance)
