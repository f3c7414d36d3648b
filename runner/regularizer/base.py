"""Regularizers: what is asked of the parameters beside a small loss, as a penalty Omega(theta).

What varies is the penalty. What is fixed: training descends loss + Omega on every mini-batch, Omega undivided whatever
the batch or the loss's reduction; `train_loss` and `val_loss` stay those of the data alone, so that runs with different
penalties can be compared, and Omega at the end of an epoch has a column of its own, `penalty`. A penalty sees theta
through its layout, knows no examples, and has no noise. Weights are the tensors with two or more dimensions; the others
are biases and the scales and shifts of normalizations.

An optimizer with decoupled decay (AdamW) shrinks the weights beside its step. A penalty enters the gradient, and with
it the running averages: the two agree for plain SGD and for no adaptive method.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from runner.core.check import Choice
from runner.core.theta import Layout


@dataclass(frozen=True)
class Regularizer(Choice, ABC):
    """A penalty on `theta [..., P]`."""

    @property
    def label(self) -> str:
        return f"penalty {super().label}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it adds to metrics.csv."""
        return ("penalty",)

    @property
    def term(self) -> Regularizer | None:
        """What the objective adds: itself, or None where that is nothing, which then costs nothing."""
        return self

    @property
    def in_rows(self) -> bool:
        """Whether a row of `theta [K, P]` gives the same bits beside any others."""
        return True

    @abstractmethod
    def value(self, theta: Tensor, layout: Layout) -> Tensor:
        """Omega, `[...]` for `theta [..., P]`."""

    def value_and_grad(self, theta: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
        """Omega `[...]` and its gradient `[..., P]`; by automatic differentiation, or a shorter way of the choice's."""
        with torch.enable_grad():
            asked = theta.detach().requires_grad_()
            value = self.value(asked, layout)
            (gradient,) = torch.autograd.grad(value.sum(), asked)
        return value.detach(), gradient

    def measure(self, theta: Tensor, layout: Layout) -> tuple[float, ...]:
        """One number for each of `columns`, for `theta [P]`."""
        return (self.value(theta, layout).item(),)


def matrices(vector: Tensor, layout: Layout) -> list[Tensor]:
    """The weights in `vector [..., P]` as matrices `[..., d_out, d_in]`; a kernel's area counts to d_in."""
    return [view.flatten(vector.ndim) for view in weights(vector, layout)]


def weights(vector: Tensor, layout: Layout) -> Iterator[Tensor]:
    """The views of `vector [..., P]` that are weights."""
    return (view for view in layout.views(vector) if view.ndim - vector.ndim + 1 >= 2)


def penalized(vector: Tensor, layout: Layout, biases: bool) -> list[Tensor]:
    """The weights in `vector [..., P]`, or everything, as vectors `[..., n]`."""
    if biases:
        return [vector]
    return [view.flatten(vector.ndim - 1) for view in weights(vector, layout)]


def total(terms: list[Tensor], theta: Tensor) -> Tensor:
    """The sum of penalties `[...]`, 0 where there is none."""
    return torch.stack([theta.new_zeros(theta.shape[:-1]), *terms]).sum(0)


def identity(matrix: Tensor) -> Tensor:
    """The identity of the size of a square `matrix [..., n, n]`."""
    return torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)


def gram(matrix: Tensor) -> Tensor:
    """The smaller of W W^T and W^T W, of which alone every eigenvalue can be 1."""
    return matrix @ matrix.mT if matrix.shape[-2] <= matrix.shape[-1] else matrix.mT @ matrix
