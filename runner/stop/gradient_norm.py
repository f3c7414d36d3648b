from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

from runner.core.check import Count, Positive
from runner.stop.base import FULL_GRADIENT, Row, Stop


@final
@dataclass(frozen=True)
class GradientNorm(Stop):
    """Stop when the gradient is nearly zero.

        stop when  || grad L(theta) ||_2 <= eps,   looked at after every `every` epochs

    of=full: the gradient of the mean loss over all training examples, dropout off, at the parameters that are
    evaluated. It costs a pass over the training data each time, as much as an epoch of gradient descent, and is written
    to the column full_grad_norm, NaN in the epochs in between.
    of=batches: the mean norm of the epoch's mini-batch gradients, the column grad_norm. It is free, and it is the wrong
    number: at a point where the full gradient is zero, the norm of a mini-batch's gradient is still about
    sqrt(tr Sigma / S), with Sigma the covariance of one example's gradient and S examples in a batch. An eps below that
    is never reached; it measures noise, not distance. Only in interpolation (every example's gradient is zero) or with
    the full batch are the two alike.

    eps: the norm that is small enough
    every: epochs between two looks
    of: full, or batches

    >>> GradientNorm(eps=0.5).verdict([{"full_grad_norm": 0.25}])
    'the norm of the full gradient is 0.25, at most 0.5'

    Source: Sun p. 44, "a natural stopping criterion for general GD", with both warnings.
    Here: a small gradient is also what a saddle point and a plateau have.
    """

    eps: Positive = 1e-3
    every: Count = 1
    of: Literal["full", "batches"] = "full"

    def verdict(self, rows: Sequence[Row], elapsed_s: float = 0.0) -> str | None:
        if len(rows) % self.every:
            return None
        norm = rows[-1][FULL_GRADIENT if self.of == "full" else "grad_norm"]
        if not 0 <= norm <= self.eps:  # false for NaN
            return None
        what = "the full gradient" if self.of == "full" else "the mini-batch gradients, in the mean,"
        return f"the norm of {what} is {norm:.3g}, at most {self.eps:g}"

    @property
    def full_gradient_every(self) -> int | None:
        return self.every if self.of == "full" else None
