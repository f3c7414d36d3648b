"""The curvature that a rule asks for, by the matrix of the user's choice.

gauss_newton   positive semi-definite for every network whose loss is convex in the scores
hessian        of any signs; the same matrix where the scores are straight in theta
"""

from __future__ import annotations

import math

from torch import Tensor

from runner.core.errors import Diverged
from runner.core.products import Operator
from runner.core.streams import stream
from runner.linalg.operator import rademacher
from runner.optimizer.base import Asked, Curvature

SYMBOLS = {"gauss_newton": "G", "hessian": "H"}


def curvature_at(theta: Tensor, objective: Asked, kind: Curvature) -> Operator:
    """v -> B v, the curvature of the loss at theta."""
    return objective.hessian(theta) if kind == "hessian" else objective.gauss_newton(theta)


def estimated_diagonal(theta: Tensor, objective: Asked, kind: Curvature, seed: int, t: int, value: float) -> Tensor:
    """z * (B z) `[P]` for random signs z, whose mean is the diagonal of B.

    seed, t: of the signs
    value: L(theta), for the message

    Raises `Diverged` where it is not finite, as for a penalty that has no second derivative at theta.
    """
    z = rademacher(theta, stream(seed, "hutchinson", t))
    found = z * curvature_at(theta, objective, kind)(z)
    if not found.isfinite().all():
        raise Diverged(value, math.nan)
    return found
