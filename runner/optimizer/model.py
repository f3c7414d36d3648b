"""What the rules with a quadratic model of the loss have in common.

    m(p) = L + g.p + p.B p / 2,   B the Hessian or the Gauss-Newton matrix

B is formed where the network is small, made definite where it must be, and the model is held against the loss.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from runner.core.products import Operator
from runner.linalg.cholesky import modified_cholesky

# Products in a pass, each of which takes as much memory as a gradient. One layer of 12 on digits, all examples, one
# thread: 1.8 s for the matrix of 910 products with 1 in a pass, 0.8 with 4 or 16, 0.7 with 256; a few dozen examples,
# where calls cost most: as many times faster as there are products in a pass.
TOGETHER = 16


def formed(B: Operator, like: Tensor) -> Tensor:
    """The matrix `[P, P]` of a symmetric operator on vectors like `like [P]`, by P products, some in a pass."""
    one = torch.eye(len(like), dtype=like.dtype, device=like.device)
    matrix = torch.cat([B(rows).detach() for rows in torch.split(one, TOGETHER)])
    return (matrix + matrix.mT) / 2  # symmetric but for rounding


def definite(H: Tensor, shift: float) -> Tensor:
    """H `[P, P]`, or H + tau I with the first tau of a growing list, from `shift`, that makes it positive definite.

    That means here: every eigenvalue above sqrt(eps) max |h_ii|. What is below may be rounding of 0, and networks have
    such directions: raising all scores by the same changes no softmax. Of an H that is not finite nothing is known: I.
    """
    one = torch.eye(len(H), dtype=H.dtype, device=H.device)
    if not H.isfinite().all():
        return one
    least = math.sqrt(torch.finfo(H.dtype).eps) * float(H.diagonal().abs().max())
    return H + modified_cholesky(H - least * one, shift).tau * one


def gain(value: float, tried: float, predicted: float, eps: float) -> float:
    """(the decrease of L) / (the decrease of m), -inf where m does not fall or L is not finite at the trial.

    Where both are below the rounding of L their quotient says nothing: 10 eps |L| is added to both, so that it tends to
    1 (Conn, Gould & Toint 2000, section 17.4.2, who take max(1, |L|)).

    >>> gain(value=1.0, tried=0.75, predicted=0.5, eps=1e-16), round(gain(1.0, 1.0, 1e-20, 1e-16), 3)
    (0.500000000000001, 1.0)
    """
    if not (predicted > 0 and math.isfinite(tried)):
        return -math.inf
    rounding = 10 * eps * abs(value)
    return (value - tried + rounding) / (predicted + rounding)
