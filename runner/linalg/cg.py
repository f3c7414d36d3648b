"""Linear equations with a positive definite matrix."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from runner.linalg.operator import Operator, identity


@dataclass(frozen=True)
class Solution:
    """What conjugate gradient leaves.

    x `[P]`: the last iterate
    residual_norm: ||b - A x||, by the recurrence (rounding lets it fall below the true one)
    iterations: steps taken
    products: calls of A
    converged: whether residual_norm <= rtol ||b||
    negative_curvature `[P]`: d with d.A d <= 0, where one was met: A is not positive definite, and x stands before d
    """

    x: Tensor
    residual_norm: float
    iterations: int
    products: int
    converged: bool
    negative_curvature: Tensor | None


def conjugate_gradient(
    A: Operator,
    b: Tensor,
    x0: Tensor | None = None,
    *,
    rtol: float = 1e-5,
    limit: int | None = None,
    preconditioner: Operator = identity,
) -> Solution:
    """The x with A x = b, as the minimizer of x.A x / 2 - b.x over growing Krylov spaces.

        r <- b - A x,  z <- M^-1 r,  d <- z;   until ||r|| <= rtol ||b||:
            alpha = r.z / d.A d;   x <- x + alpha d;   r <- r - alpha A d
            z <- M^-1 r;   beta = r.z / (r.z before);   d <- z + beta d

    In exact arithmetic it ends after as many iterations as M^-1 A has distinct eigenvalues, and with condition number k

        ||x_m - x||_A <= 2 ((sqrt(k) - 1) / (sqrt(k) + 1))^m ||x_0 - x||_A

    A: positive definite; else a direction that shows it is handed back
    b, x0 `[P]`: right side and start (default 0)
    rtol: relative residual at which to stop; Newton-CG's forcing term
    limit: most iterations (default P)
    preconditioner: M^-1, positive definite, near A^-1

    Costs one product and one preconditioning an iteration, one more product for an x0; four vectors.

    >>> a = torch.tensor([[4.0, 1.0], [1.0, 3.0]], dtype=torch.float64)
    >>> found = conjugate_gradient(a.mv, torch.tensor([1.0, 2.0], dtype=torch.float64))
    >>> [round(x * 11, 9) for x in found.x.tolist()], found.iterations, found.converged
    ([1.0, 7.0], 2, True)

    Source: Hestenes & Stiefel 1952; Nocedal & Wright 2006, algorithm 5.3 and (5.36).
    """
    x = torch.zeros_like(b) if x0 is None else x0.clone()
    r = b.clone() if x0 is None else b - A(x0)
    started = 0 if x0 is None else 1
    z = preconditioner(r)
    d = z.clone()
    rz = float(r @ z)
    norm, enough = float(r.norm()), rtol * float(b.norm())
    negative_curvature = None
    iterations = products = 0
    while norm > enough and iterations < (len(b) if limit is None else limit):
        ad = A(d)
        products += 1
        curvature = float(d @ ad)
        if not math.isfinite(curvature):
            break
        if curvature <= 0:
            negative_curvature = d
            break
        alpha = rz / curvature
        x.add_(d, alpha=alpha)
        r.sub_(ad, alpha=alpha)
        z = preconditioner(r)
        rz, before = float(r @ z), rz
        d = z + (rz / before) * d
        norm = float(r.norm())
        iterations += 1
    return Solution(x, norm, iterations, started + products, norm <= enough, negative_curvature)
