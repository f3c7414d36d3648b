"""A curvature that is a Kronecker product, A kron G: its damped inverse, which never is formed.

    (A kron G)^-1 vec V = vec(G^-1 V A^-1)      V [m, n], A [n, n], G [m, m]; vec stacks the columns

    A kron G + gamma^2 I  is near  (A + pi gamma I) kron (G + gamma/pi I),   pi^2 = (tr A / n) / (tr G / m)

which differ by pi gamma I kron G + gamma/pi A kron I. This pi makes a bound of that least, and the result independent
of how a factor c is divided between A and G.

Source: Martens & Grosse 2015 (arXiv 1503.05671), sections 4.2 and 6.3.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def inverse(A: Tensor) -> Tensor:
    """A^-1 of a symmetric positive definite A `[n, n]`; the pseudo-inverse where it is singular up to rounding.

    About n^3 multiplications, some 20 n^3 where A is singular.

    >>> inverse(torch.diag(torch.tensor([2.0, 0.0]))).tolist()
    [[0.5, 0.0], [0.0, 0.0]]
    """
    L, failed = torch.linalg.cholesky_ex(A)
    # The square of the last element of a row of L is what is left of A's there: rounding, where the row depends on
    # those before. 16: a sum of outer products rounds a few times for each element.
    least = 16 * len(A) * torch.finfo(A.dtype).eps
    singular = failed or L.diagonal().min() ** 2 <= least * A.diagonal().max()
    found: Tensor = torch.linalg.pinv(A, rtol=least, hermitian=True) if singular else torch.cholesky_inverse(L)
    return found.contiguous()  # as it comes back from a checkpoint: products round by how a matrix lies


def damped_inverses(A: Tensor, G: Tensor, gamma: float) -> tuple[Tensor, Tensor]:
    """(A + pi gamma I)^-1 and (G + gamma/pi I)^-1.

    gamma: the root of what is added to A kron G, from 0
    """
    sizes = A.trace().item() / len(A), G.trace().item() / len(G)
    # without a size there is no ratio: a layer that no gradient reaches, or that gets nothing
    pi = math.sqrt(sizes[0] / sizes[1]) if min(sizes) > 0 else 1.0
    return inverse(raised(A, pi * gamma)), inverse(raised(G, gamma / pi))


def raised(A: Tensor, shift: float) -> Tensor:
    """A + shift I."""
    found = A.clone()
    found.diagonal().add_(shift)
    return found
