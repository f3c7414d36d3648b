"""How the eigenvalues of a symmetric matrix are distributed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from runner.linalg.lanczos import lanczos
from runner.linalg.operator import Operator, gaussian


@dataclass(frozen=True)
class Spectrum:
    """Nodes and weights `[N]`, float64, with (1/P) sum_i f(lambda_i) about sum_j weights_j f(nodes_j); the products."""

    nodes: Tensor
    weights: Tensor
    products: int

    def density(self, grid: Tensor, sigma: float) -> Tensor:
        """phi(t) = sum_j weights_j N(t; nodes_j, sigma^2) at each t of `grid [T]`; its integral is 1.

        sigma: width of the Gaussian kernel in the units of the eigenvalues, above 0; what is narrower is not seen
        """
        z = (grid.double().unsqueeze(-1) - self.nodes) / sigma
        heights: Tensor = torch.exp(-z.square() / 2) @ self.weights
        return heights / (sigma * math.sqrt(2 * math.pi))


def spectral_density(
    A: Operator, like: Tensor, generator: torch.Generator, *, probes: int = 10, steps: int = 80
) -> Spectrum:
    """The spectrum of A by stochastic Lanczos quadrature.

        for v_1 ... v_k ~ N(0, I):   v.f(A) v / v.v is about sum_j w_j f(theta_j);   theta, w: m steps of Lanczos at v
        (1/P) trace f(A) is about the mean of these

    Each quadrature is exact for polynomials up to degree 2 m - 1. The mean over v errs by about sqrt(2 / (k P)) of
    f's spread over the spectrum.

    A: symmetric
    like `[P]`: the shape, dtype and device of a vector
    probes, steps: k and m; few suffice where P is large; the defaults are ours

    k m products; m vectors of memory. Raises FloatingPointError where a product is not finite.

    >>> A = torch.diag(torch.tensor([0.0, 0.0, 0.0, 8.0]))
    >>> found = spectral_density(A.mv, torch.zeros(4), torch.Generator().manual_seed(0), probes=200, steps=4)
    >>> round(float(found.weights.sum()), 6), abs(float(found.weights @ found.nodes) - 2.0) < 0.3  # trace / P
    (1.0, True)

    Source: Ghorbani, Krishnan & Xiao 2019 (arXiv 1901.10159), algorithms 1 and 2; Golub & Welsch 1969.
    """
    nodes, weights, products = [], [], 0
    for _ in range(probes):
        found = lanczos(A, gaussian(like, generator), steps)
        nodes.append(found.values)
        weights.append(found.weights / probes)
        products += len(found.values)
    return Spectrum(torch.cat(nodes), torch.cat(weights), products)
