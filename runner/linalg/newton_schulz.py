"""The orthogonal factor of a matrix, by matrix products alone."""

from __future__ import annotations

import torch
from torch import Tensor

# Of the polynomial a x + b x^3 + c x^5, chosen by K. Jordan for the steepest start: with it five steps suffice, but a
# singular value ends between 0.68 and 1.2 instead of at 1.
QUINTIC = (3.4445, -4.7750, 2.0315)
# Of the classical iteration x (15 - 10 x^2 + 3 x^4) / 8, which converges to 1 for every singular value in (0, 1].
CLASSICAL = (1.875, -1.25, 0.375)


def orthogonalized(
    matrix: Tensor, steps: int, coefficients: tuple[float, float, float] = QUINTIC, eps: float = 1e-7
) -> Tensor:
    """About U V^T for `matrix [..., m, n]` = U S V^T: its singular values are driven towards 1, S to about I.

        X <- matrix / max(||matrix||, eps);   steps times:  A = X X^T,  X <- a X + (b A + c A^2) X

    Every step maps each singular value x to a x + b x^3 + c x^5 and leaves U and V. A zero matrix stays zero.
    """
    a, b, c = coefficients
    wide = matrix.shape[-2] <= matrix.shape[-1]  # A is then the smaller of the two Gram matrices
    x: Tensor = matrix if wide else matrix.mT
    x = x / torch.linalg.matrix_norm(x, keepdim=True).clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x if wide else x.mT
