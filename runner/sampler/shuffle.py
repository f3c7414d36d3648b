from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from runner.sampler.base import Batched


@final
@dataclass(frozen=True)
class Shuffle(Batched):
    """Shuffle all examples in every epoch and take consecutive mini-batches.

        order = random permutation of 0 .. N-1;  batch k = order[k B], ..., order[k B + B - 1]

    Every example is seen once in an epoch. The last batch is short where B does not divide N, and is kept, unless
    drop_last. N is the number of training examples; a batch is never larger than N.

    batch_size: B, examples in a batch; or all
    drop_last: leave the last batch out where it is short

    >>> Shuffle(batch_size=4).batches(10)
    3

    Source: Sun p. 19, "practical SGD"; B = 100 is "reasonable" (Grosse, CSC321 lecture 8).
    Here: within an epoch this draws without replacement, so the variance of a mini-batch is below the sigma^2 / B of
    the theory, by (N - B) / (N - 1).
    """

    def order(self, n: int, stream: torch.Generator) -> Tensor | None:
        if self.batch_size == "all":
            return None  # the loss is the same in any order, up to rounding
        return torch.randperm(n, generator=stream)[: self.length(n)]
