from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from runner.core.check import Count
from runner.sampler.base import Sampler


@final
@dataclass(frozen=True)
class Shuffle(Sampler):
    """Shuffle all examples in every epoch and take consecutive mini-batches.

        order = random permutation of 0 .. N-1;  batch k = order[k B], ..., order[k B + B - 1]

    Every example is seen once in an epoch. The last batch is short where B does not divide N, and is kept, unless
    drop_last. N is the number of training examples; a batch is never larger than N.

    batch_size: B, examples in a batch
    drop_last: leave the last batch out where it is short

    >>> Shuffle(batch_size=4).batches(10)
    3

    Source: Sun p. 19, "practical SGD"; Farrahi p. 7.
    """

    batch_size: Count = 100
    drop_last: bool = False

    def order(self, n: int, stream: torch.Generator) -> Tensor:
        return torch.randperm(n, generator=stream)[: self.length(n)]

    def size(self, n: int) -> int:
        return min(self.batch_size, n)

    def length(self, n: int) -> int:
        return n - n % self.size(n) if self.drop_last else n
