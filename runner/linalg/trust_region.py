"""The model of a function inside a ball, and its minimizer along one direction.

    m(p) = g.p + p.H p / 2   for ||p|| <= D

Methods differ in how near they come to the best p, and in what of H they ask: `cauchy_point` one product, `steihaug`
some, `dogleg` a factorization. None takes a step that lowers m by less than the Cauchy point does, which suffices for
convergence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from runner.linalg.operator import Operator


@dataclass(frozen=True)
class Step:
    """A step inside the ball.

    p `[P]`: the step
    predicted: the decrease of the model, -(g.p + p.H p / 2)
    boundary: whether ||p|| = D
    negative_curvature: whether a direction d with d.H d <= 0 was met
    converged: whether p is the minimizer of the model inside the ball, to the method's tolerance
    products: calls of H
    """

    p: Tensor
    predicted: float
    boundary: bool
    negative_curvature: bool
    converged: bool
    products: int


def to_sphere(pp: float, pd: float, dd: float, radius: float) -> tuple[float, float]:
    """Both tau with ||p + tau d|| = radius, the negative one first, for p inside and d not 0.

        tau^2 d.d + 2 tau p.d + (p.p - radius^2) = 0

    The root that would lose its digits to cancellation comes from the product of both, (p.p - radius^2) / d.d.

    pp, pd, dd: p.p, p.d and d.d, in the norm of the ball

    >>> to_sphere(0.0, 0.0, 4.0, radius=3.0)
    (-1.5, 1.5)
    """
    room = max(radius * radius - pp, 0.0)  # a p that was put on the sphere lies outside by rounding
    q = -(pd + math.copysign(math.sqrt(pd * pd + dd * room), pd))
    one, other = q / dd, (-room / q if q else 0.0)
    return min(one, other), max(one, other)


def cauchy_point(g: Tensor, H: Operator, radius: float) -> Step:
    """The minimizer of the model along the negative gradient.

        p = -tau D g / ||g||,   tau = 1 if g.H g <= 0, else min(1, ||g||^3 / (D g.H g))

    One product. `converged` says only that g is 0. Source: Nocedal & Wright 2006, (4.11) and (4.12).

    >>> import torch
    >>> step = cauchy_point(torch.tensor([3.0, 4.0]), lambda v: 10 * v, radius=1.0)
    >>> [round(p, 6) for p in step.p.tolist()], step.boundary
    ([-0.3, -0.4], False)
    """
    norm = float(g.norm())
    if norm == 0:
        return Step(-g, 0.0, boundary=False, negative_curvature=False, converged=True, products=0)
    curvature = float(g @ H(g))
    length = radius / norm
    boundary = curvature * length <= norm * norm
    if not boundary:
        length = norm * norm / curvature
    predicted = length * norm * norm - length * length * curvature / 2
    return Step(-length * g, predicted, boundary, curvature <= 0, converged=False, products=1)
