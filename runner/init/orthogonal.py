from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from runner.core.check import Positive
from runner.init.base import Init


@final
@dataclass(frozen=True)
class Orthogonal(Init):
    """Weights whose rows or columns, whichever are fewer, are at right angles and equally long.

        W W^T = gain^2 I  (d_out <= d_in),  W^T W = gain^2 I  (otherwise)

    W is drawn uniformly among all such matrices: the QR factorization of a normal matrix, with the signs that make the
    diagonal of R positive. A kernel `[d_out, d_in, ...]` is taken as a matrix with d_out rows. A square W keeps the
    length of every vector times gain; without activations that holds at any depth.

    gain: the length of each row or column; sqrt(2) makes up for a ReLU

    >>> weight = torch.empty(2, 3, dtype=torch.float64)
    >>> Orthogonal(gain=2.0).fill(weight, 3, 2, torch.Generator().manual_seed(0))
    >>> torch.allclose(weight @ weight.T, 4 * torch.eye(2, dtype=torch.float64))
    True

    Source: Saxe, McClelland & Ganguli 2014 (arXiv 1312.6120); Sun p. 42; torch.nn.init.orthogonal_.
    Here: this holds at the start only. `regularizer=soft_orthogonal` pulls towards it during training.
    """

    gain: Positive = 1.0

    def fill(self, weight: Tensor, d_in: int, d_out: int, stream: torch.Generator) -> None:
        nn.init.orthogonal_(weight, self.gain, generator=stream)
