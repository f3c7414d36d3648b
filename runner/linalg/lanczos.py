"""Both ends of the spectrum of a symmetric matrix."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from runner.linalg.operator import Operator

# Of the largest entry of T: below it the next basis vector would be made of rounding errors. 100 eps, ours.
EXHAUSTED = 100.0


@dataclass(frozen=True)
class Ritz:
    """What m steps know of the spectrum.

    values `[m]`: approximate eigenvalues, ascending, float64; the ends converge first
    bounds `[m]`: ||A y - value y|| of each one's vector y; an eigenvalue of A lies within it of the value
    weights `[m]`: (y.start)^2 / start.start, which sum to 1: nodes and weights of a Gauss quadrature
    basis `[m, P]`: orthonormal, of the dtype of the start
    coordinates `[m, m]`: the y in that basis, one a column
    """

    values: Tensor
    bounds: Tensor
    weights: Tensor
    basis: Tensor
    coordinates: Tensor

    def vector(self, index: int) -> Tensor:
        """The approximate eigenvector y `[P]` of values[index]; m P multiplications."""
        y: Tensor = self.coordinates[:, index].to(self.basis) @ self.basis
        return y


def lanczos(A: Operator, start: Tensor, steps: int) -> Ritz:
    """Eigenvalues of the projection of A onto the span of start, A start, ..., A^(m-1) start.

        q_1 = start / ||start||;    alpha_j = q_j.A q_j
        beta_j q_(j+1) = A q_j - alpha_j q_j - beta_(j-1) q_(j-1),    made orthogonal to q_1 ... q_j twice more
        T = tridiag(beta, alpha, beta) = S diag(values) S^T,    bounds = beta_m |last row of S|

    It ends before `steps` where the span holds all that A makes of it (beta_j = 0): the values are then exact. Of an
    eigenvalue with several vectors only the start's part is seen, so each is found once; one whose vectors are
    orthogonal to the start is not found.

    A: symmetric, of any signs
    start `[P]`: not 0; `operator.gaussian` gives one
    steps: m, from 1; more than P are not taken

    m products; m vectors of memory, and 4 m^2 P multiplications to keep them orthogonal: without that, copies of
    converged eigenvalues come up. Raises FloatingPointError where a product is not finite.

    >>> found = lanczos(torch.diag(torch.tensor([-1.0, 2.0, 5.0])).mv, torch.ones(3), steps=3)
    >>> [round(x, 5) for x in found.values.tolist()], [round(x, 5) for x in found.weights.tolist()]
    ([-1.0, 2.0, 5.0], [0.33333, 0.33333, 0.33333])

    Source: Lanczos 1950; Golub & Van Loan 2013, 10.1 to 10.3; Paige 1980; weights: Golub & Welsch 1969.
    """
    steps = min(steps, len(start))
    eps = torch.finfo(start.dtype).eps
    basis = start.new_empty(steps, len(start))
    alphas: list[float] = []
    betas: list[float] = []
    q = start / start.norm()
    while len(alphas) < steps:
        m = len(alphas)
        basis[m] = q
        w = A(q)
        alphas.append(float(q @ w))
        known = basis[: m + 1]
        for _ in range(2):  # once leaves a part of the size of the rounding errors over beta
            w = w - (known @ w) @ known
        betas.append(float(w.norm()))
        if not math.isfinite(alphas[m] + betas[m]):
            raise FloatingPointError(
                f"product {m + 1} with the matrix holds nan or inf: check the loss and its curvature"
            )
        if betas[m] <= EXHAUSTED * eps * max(map(abs, alphas + betas)):
            break
        q = w / betas[m]
    off = torch.diag(torch.tensor(betas[:-1], dtype=torch.float64), 1)
    values, S = torch.linalg.eigh(off + off.T + torch.diag(torch.tensor(alphas, dtype=torch.float64)))
    return Ritz(values, betas[-1] * S[-1].abs(), S[0].square(), basis[: len(alphas)], S)
