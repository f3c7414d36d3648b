from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from runner.sampler.base import Sampler


@final
@dataclass(frozen=True)
class Single(Sampler):
    """Take one example in every step, in a new order in every epoch.

        order = random permutation of 0 .. N-1;  batch k = order[k]

    N steps an epoch. The gradient is unbiased and as noisy as it gets, and nothing is gained from vectors: an epoch
    takes many times as long as one with mini-batches. `batch_size` has no effect.

    >>> Single().batches(10)
    10

    Source: Grosse, CSC321 lecture 8; Farrahi p. 4, "a single item".
    """

    def order(self, n: int, stream: torch.Generator) -> Tensor:
        return torch.randperm(n, generator=stream)

    def size(self, n: int) -> int:
        return 1
