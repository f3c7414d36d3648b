"""Along steepest descent first, then towards Newton's step."""

from __future__ import annotations

import torch
from torch import Tensor

from runner.linalg.trust_region import Step, cauchy_point, to_sphere


def dogleg(g: Tensor, B: Tensor, radius: float) -> Step:
    """The last point inside ||p|| <= D of the path 0 -> p_U -> p_B.

        p_U = -(g.g / g.B g) g     the minimizer of m(p) = g.p + p.B p / 2 along -g
        p_B = -B^-1 g              the minimizer of m

    Along the path ||p|| grows and m falls.

    g `[P]`: the gradient
    B `[P, P]`: positive definite; `cholesky` makes one of a matrix that is not
    radius: D, above 0

    One factorization, P^3 / 3 multiplications, which its caller may keep for other radii; two products.
    Raises torch.linalg.LinAlgError where B is not positive definite.

    >>> g, B = torch.tensor([1.0, 1.0]), torch.diag(torch.tensor([1.0, 4.0]))
    >>> dogleg(g, B, radius=2.0).p.tolist()  # Newton's step is inside
    [-1.0, -0.25]

    Source: Powell 1970; Nocedal & Wright 2006, (4.15) and (4.16).
    """
    newton: Tensor = -torch.cholesky_solve(g.unsqueeze(1), torch.linalg.cholesky(B)).squeeze(1)
    if newton.norm() <= radius:
        return Step(newton, -float(g @ newton) / 2, False, False, converged=True, products=0)
    cauchy = cauchy_point(g, B.mv, radius)
    if cauchy.boundary:
        return cauchy
    towards = newton - cauchy.p
    pp, pd, dd = float(cauchy.p @ cauchy.p), float(cauchy.p @ towards), float(towards @ towards)
    tau = to_sphere(pp, pd, dd, radius)[1]
    p = cauchy.p + tau * towards
    return Step(p, -float(g @ p + p @ B.mv(p) / 2), True, False, converged=False, products=2)
