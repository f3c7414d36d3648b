from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from runner.core.check import NonNegative
from runner.core.theta import Layout
from runner.regularizer.base import Regularizer, gram, matrices, total


@final
@dataclass(frozen=True)
class SpectralOrthogonal(Regularizer):
    """The largest relative change that each weight matrix makes to a squared length.

        Omega(theta) = strength * sum_W sigma(W^T W - I),   sigma(A) = max over v of ||A v|| / ||v||

    For symmetric A, sigma is the largest |eigenvalue|. Only the worst direction is pulled at, where
    `soft_orthogonal` pulls at all. Of W^T W and W W^T the smaller is taken: of the larger, with d_out and d_in unequal,
    an eigenvalue of W^T W - I is always -1. Known as SRIP (spectral restricted isometry property).

    strength: lambda

    >>> from runner.core.theta import adopt
    >>> theta, layout = adopt(torch.nn.Linear(2, 2))
    >>> _ = theta.copy_(torch.tensor([0.5, 0.0, 0.0, 2.0, 9.0, 9.0]))
    >>> round(SpectralOrthogonal(strength=1.0).value(theta, layout).item(), 6)  # 2^2 - 1
    3.0

    Source: Bansal, Chen & Wang 2018 (arXiv 1810.09102), SRIP.
    Here: sigma is exact, by the eigenvalues, at O(n^3) in the smaller side n. The authors take two power iterations
    from a random vector, which makes the objective noisy and underestimates sigma; their program also squares it. The
    gradient jumps where the worst direction changes.
    """

    strength: NonNegative = 1e-3

    @property
    def in_rows(self) -> bool:
        return False  # eigenvalues of one matrix among several round by where it lies

    def value(self, theta: Tensor, layout: Layout) -> Tensor:
        spectra = [torch.linalg.eigvalsh(g) for g in map(gram, matrices(theta, layout))]
        return self.strength * total([(s - 1).abs().amax(-1) for s in spectra], theta)
