"""The trace and the diagonal of a matrix, by asking about random signs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from runner.linalg.operator import Operator, rademacher


@dataclass(frozen=True)
class Estimate:
    """A mean over samples, `[]` or `[P]`, its standard error of the same shape (nan from one sample), the products."""

    value: Tensor
    standard_error: Tensor
    products: int


def mean(samples: list[Tensor], products: int) -> Estimate:
    """The mean and sqrt(sum (x_i - mean)^2 / (k (k - 1)))."""
    k = len(samples)
    x = torch.stack(samples)
    off = (x - x.mean(0)).square().sum(0)
    return Estimate(x.mean(0), (off / (k * (k - 1))).sqrt() if k > 1 else torch.full_like(off, torch.nan), products)


def hutchinson_trace(A: Operator, like: Tensor, generator: torch.Generator, probes: int = 10) -> Estimate:
    """The trace of A, as the mean of v.A v over random signs v.

        E v.A v = trace A,   Var v.A v = 2 ||A - diag A||_F^2 for symmetric A

    So a diagonal matrix is answered exactly by one probe. `probes` products.

    like `[P]`: the shape, dtype and device of a vector

    >>> A = torch.diag(torch.tensor([1.0, 2.0, 4.0]))
    >>> hutchinson_trace(A.mv, torch.zeros(3), torch.Generator().manual_seed(0), probes=1).value
    tensor(7.)

    Source: Hutchinson 1989; Girard 1987 with normal v, where the variance is 2 ||A||_F^2.
    """
    signs = (rademacher(like, generator) for _ in range(probes))
    return mean([v @ A(v) for v in signs], probes)


def hutchinson_diagonal(A: Operator, like: Tensor, generator: torch.Generator, probes: int = 10) -> Estimate:
    """The diagonal of A `[P]`, as the mean of v * A v over random signs v.

        E (v * A v)_i = a_ii,   Var (v * A v)_i = sum over j != i of a_ij^2

    `probes` products, and as many vectors of memory.

    >>> A = torch.diag(torch.tensor([1.0, 2.0, 4.0]))
    >>> hutchinson_diagonal(A.mv, torch.zeros(3), torch.Generator().manual_seed(0), probes=1).value
    tensor([1., 2., 4.])

    Source: Bekas, Kokiopoulou & Saad 2007. They divide by the sum of v * v, which is `probes` for signs.
    """
    signs = (rademacher(like, generator) for _ in range(probes))
    return mean([v * A(v) for v in signs], probes)


def hutch_plus_plus(A: Operator, like: Tensor, generator: torch.Generator, probes: int = 10) -> Estimate:
    """The trace of A, exactly on a subspace that holds much of A, by Hutchinson's mean on the rest.

        Q = orth(A [s_1 ... s_k]);   trace(Q^T A Q) + mean of u.A u,   u = (I - Q Q^T) v,   s, v random signs

    The error falls like 1 / k where Hutchinson's falls like 1 / sqrt(k), for positive semi-definite A; a matrix of rank
    up to k is answered exactly.

    probes: k; 3 k products, k vectors of memory

    >>> a = torch.tensor([1.0, 2.0, 2.0])
    >>> found = hutch_plus_plus(lambda v: a * (a @ v), a, torch.Generator().manual_seed(0), probes=1)  # of rank 1
    >>> round(float(found.value), 5)
    9.0

    Source: Meyer, Musco, Musco & Woodruff 2021 (arXiv 2010.09649), algorithm 1.
    """
    k = min(probes, len(like))
    sketch = torch.stack([A(rademacher(like, generator)) for _ in range(k)], dim=1)
    Q = torch.linalg.qr(sketch)[0]
    held = sum((q @ A(q) for q in Q.T), start=like.new_zeros(()))
    rest = [v - Q @ (Q.T @ v) for v in (rademacher(like, generator) for _ in range(k))]
    found = mean([u @ A(u) for u in rest], 3 * k)
    return Estimate(held + found.value, found.standard_error, found.products)
