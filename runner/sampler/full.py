from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch

from runner.sampler.base import Sampler


@final
@dataclass(frozen=True)
class Full(Sampler):
    """Take all training examples in every step: batch gradient descent.

        batch = 0 .. N-1

    One step is one epoch. `batch_size` has no effect.

    >>> Full().batches(10)
    1

    Source: Grosse, CSC321 lecture 8, "batch gradient descent"; Farrahi p. 3.
    """

    def order(self, n: int, stream: torch.Generator) -> None:
        return None

    def size(self, n: int) -> int:
        return n
