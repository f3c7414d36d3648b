"""Weights that are orthogonal at every step, because they are a function of free parameters.

    A = tril(X) - tril(X)'                                   skew
    matrix_exp    W = e^A
    cayley        W = (I - A/2)^-1 (I + A/2)
    householder   W = H_1 ... H_k,   H_i = I - 2 v_i v_i' / (v_i' v_i),   v_i = (0, .., 0, 1, X_{i+1,i}, .., X_{n,i})

The optimizer moves X, without any constraint; W'W = I up to rounding wherever X is. A tall W `[n, k]` is the first k
columns (the missing ones of X are 0), a wide one is the transpose of a tall one, with WW' = I. The initialization draws
X; X = 0 is the identity for the first two maps.

Source: Lezcano-Casado & Martinez-Rubio 2019 (arXiv 1901.08428) for the exponential and Cayley's map; Mhammedi et al.
2017 (arXiv 1612.00188) for reflections; Sun p. 42.
Here: torch.nn.utils.parametrizations.orthogonal(use_trivialization=False) is the same function for the first two.
Its householder keeps signs in the diagonal of X and rounds them to integers, so weights that an initialization draws
or a decay shrinks would lose columns; here the signs are 1.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from runner.architecture.base import Map


def constrained(layer: nn.Module, map: Map) -> None:
    """Make `layer.weight` orthogonal; its parameter is then `parametrizations.weight.original`."""
    if map != "none":
        parametrize.register_parametrization(layer, "weight", Orthogonal(MAPS[map]))


class Orthogonal(nn.Module):
    """X `[n, k]` -> W `[n, k]`."""

    def __init__(self, map: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.map = map

    def forward(self, x: Tensor) -> Tensor:
        wide = x.shape[-2] < x.shape[-1]
        w = self.map(x.mT if wide else x)
        return w.mT if wide else w


def skew(x: Tensor) -> Tensor:
    """A `[n, n]` of X `[n, k]`, n >= k."""
    n, k = x.shape[-2:]
    lower = nn.functional.pad(x.tril(), (0, n - k))
    return lower - lower.mT


def matrix_exp(x: Tensor) -> Tensor:
    w: Tensor = torch.linalg.matrix_exp(skew(x))
    return w[..., : x.shape[-1]]


def cayley(x: Tensor) -> Tensor:
    a = skew(x)
    one = torch.eye(a.shape[-1], dtype=a.dtype, device=a.device)
    w: Tensor = torch.linalg.solve(one - a / 2, one + a / 2)
    return w[..., : x.shape[-1]]


def householder(x: Tensor) -> Tensor:
    v = x.tril(-1)  # the 1 above it is understood
    w: Tensor = torch.linalg.householder_product(v, 2 / (1 + v.square().sum(-2)))
    return w


MAPS = {"matrix_exp": matrix_exp, "cayley": cayley, "householder": householder}
