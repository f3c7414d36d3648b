"""A symmetric matrix known by its products, and the random vectors it is asked about."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Operator = Callable[[Tensor], Tensor]  # v [P] to A v [P]; linear, and the argument stays as it is


def identity(v: Tensor) -> Tensor:
    """A v = v, the preconditioner that changes nothing."""
    return v


def gaussian(like: Tensor, generator: torch.Generator) -> Tensor:
    """Independent N(0, 1), of the shape and dtype of `like` and on its device; drawn where the generator lives."""
    return torch.randn(like.shape, generator=generator, dtype=like.dtype, device=generator.device).to(like.device)


def rademacher(like: Tensor, generator: torch.Generator) -> Tensor:
    """Independent signs, 1 or -1 with probability 1/2, as `gaussian` else."""
    signs = torch.randint(0, 2, like.shape, generator=generator, device=generator.device)
    return (2 * signs - 1).to(like)
