"""The eigenvalue that is largest in absolute value."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from runner.linalg.operator import Operator


@dataclass(frozen=True)
class Dominant:
    """An eigenvalue, its vector `[P]` of length 1, ||A v - value v||, products, whether the tolerance was met."""

    value: float
    vector: Tensor
    residual_norm: float
    products: int
    converged: bool


def power_iteration(A: Operator, start: Tensor, *, rtol: float = 1e-3, limit: int = 100) -> Dominant:
    """The eigenvalue of a symmetric A with the largest |lambda|.

        v <- start / ||start||;   until ||A v - mu v|| <= rtol |mu|:   mu = v.A v,   v <- A v / ||A v||

    An eigenvalue lies within ||A v - mu v|| of mu; mu itself errs by the square of that over the gap. Each product
    shrinks the error of v by |lambda_2 / lambda_1|. Where lambda and -lambda are both largest, v does not settle: the
    limit ends it, unconverged. `lanczos` needs fewer products and more memory.

    start `[P]`: not 0, best random: a start orthogonal to the wanted vector finds another
    rtol: how near to an eigenvector; 1e-3 gives a well separated mu to about 1e-6
    limit: most products

    One product an iteration; two vectors.

    >>> import torch
    >>> found = power_iteration(torch.diag(torch.tensor([1.0, -3.0])).mv, torch.ones(2), rtol=1e-4)
    >>> round(found.value, 6), found.converged
    (-3.0, True)

    Source: von Mises & Pollaczek-Geiringer 1929; Golub & Van Loan 2013, 8.2.1.
    """
    v = start / start.norm()
    value = residual = math.nan
    products = 0
    while products < limit:
        av = A(v)
        products += 1
        value = float(v @ av)
        residual = float((av - value * v).norm())
        if not math.isfinite(residual) or residual <= rtol * abs(value):
            break
        v = av / av.norm()
    return Dominant(value, v, residual, products, residual <= rtol * abs(value))
