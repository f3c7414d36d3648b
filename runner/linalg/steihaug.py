"""Conjugate gradient that stays in a ball."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from runner.linalg.operator import Operator, identity
from runner.linalg.trust_region import Step, to_sphere


def steihaug(
    g: Tensor,
    H: Operator,
    radius: float,
    *,
    rtol: float = 0.1,
    limit: int | None = None,
    preconditioner: Operator = identity,
) -> Step:
    """A step p that lowers m(p) = g.p + p.H p / 2 inside ||p||_M <= D, for an H of any signs.

        p <- 0,  r <- g,  z <- M^-1 r,  d <- -z;   until ||r|| <= rtol ||g||:
            alpha = r.z / d.H d
            d.H d <= 0:                 p <- p + tau d on the sphere, of both tau the one with the lower m; end
            ||p + alpha d||_M >= D:     p <- p + tau d on the sphere, tau > 0; end
            p <- p + alpha d;   r <- r + alpha H d;   z <- M^-1 r;   d <- -z + (r.z / r.z before) d

    The first iterate is the Cauchy point, m falls and ||p||_M grows from each to the next. So the step is never worse
    than the Cauchy point, and once outside the ball CG would not come back.

    g `[P]`: the gradient; where it is 0 the step is 0, also at a saddle point
    H: symmetric
    radius: D, above 0
    rtol: relative residual at which to stop inside; 0.1 is STRON's, and a superlinear method lowers it with ||g||
    limit: most iterations (default P)
    preconditioner: M^-1, positive definite; the ball is one in ||p||_M = sqrt(p.M p), and M itself is not asked for

    Costs one product and one preconditioning an iteration; five vectors. The decrease costs no product: r is g + H p,
    so it is -(g + r).p / 2. M d is carried by M d <- -r + beta M d.

    >>> g, H = torch.tensor([1.0, 0.0]), torch.diag(torch.tensor([-1.0, 2.0]))
    >>> step = steihaug(g, H.mv, radius=2.0)
    >>> step.p.tolist(), step.predicted, step.boundary, step.negative_curvature
    ([-2.0, 0.0], 4.0, True, True)

    Source: Steihaug 1983; Toint 1981; Nocedal & Wright 2006, algorithm 7.2; with M: Conn, Gould & Toint 2000, 7.5.1.
    Steihaug takes tau > 0 at negative curvature; Nocedal & Wright and scipy compare both, as here.
    """
    p, r = torch.zeros_like(g), g.clone()
    z = preconditioner(r)
    d, md = -z, -r
    rz, pp = float(r @ z), 0.0
    norm, enough = float(r.norm()), rtol * float(g.norm())
    boundary = negative = False
    products = 0
    while norm > enough and products < (len(g) if limit is None else limit):
        hd = H(d)
        products += 1
        curvature = float(d @ hd)
        if not math.isfinite(curvature):
            break
        pd, dd = float(p @ md), float(d @ md)
        back, forth = to_sphere(pp, pd, dd, radius)
        negative = curvature <= 0
        boundary = negative or rz / curvature >= forth
        alpha = forth if boundary else rz / curvature
        if negative:
            alpha = min((back, forth), key=lambda tau: tau * float(r @ d) + tau * tau * curvature / 2)
        p.add_(d, alpha=alpha)
        r.add_(hd, alpha=alpha)
        if boundary:
            break
        pp += alpha * (2 * pd + alpha * dd)
        z = preconditioner(r)
        rz, before = float(r @ z), rz
        d = -z + (rz / before) * d
        md = -r + (rz / before) * md
        norm = float(r.norm())
    return Step(p, -float((g + r) @ p) / 2, boundary, negative, norm <= enough and not boundary, products)
