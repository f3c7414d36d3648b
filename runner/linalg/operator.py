"""A symmetric matrix known by its products."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Operator = Callable[[Tensor], Tensor]  # v [P] to A v [P]; linear, and the argument stays as it is


def identity(v: Tensor) -> Tensor:
    """A v = v, the preconditioner that changes nothing."""
    return v
