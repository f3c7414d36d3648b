from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, final

from torch import Tensor

from runner.architecture.activation.base import Activation
from runner.core.check import Range


@final
@dataclass(frozen=True)
class Maxout(Activation):
    """The largest of several affine maps: a convex activation that is learned.

        h_j = max_i u_ij,   u_ij = w_ij . x + b_ij,   i = 1 .. pieces

    The affine map before it has `pieces` times the channels. With the pieces 0 and x it is the ReLU, with x and -x the
    absolute value. Where pieces are equal, they share the gradient.

    pieces: the number of affine maps for each unit

    >>> import torch
    >>> Maxout(pieces=2).function()(torch.tensor([[0.0, 0.0, -2.0, 3.0]])).tolist()
    [[0.0, 3.0]]

    Source: Goodfellow et al. 2013 (arXiv 1302.4389); Sun p. 6, figure.
    """

    pieces: Annotated[int, Range(least=2, most=1e15)] = 2

    @property
    def width(self) -> int:
        return self.pieces

    def function(self) -> Callable[[Tensor], Tensor]:
        return lambda x: x.reshape(x.shape[0], self.pieces, -1, *x.shape[2:]).amax(1)
