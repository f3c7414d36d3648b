from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from runner.sampler.base import Batched


@final
@dataclass(frozen=True)
class Sequential(Batched):
    """Take the examples as they lie in the data, in consecutive mini-batches.

        batch k = rows k B, ..., k B + B - 1

    The same batches in the same order in every epoch, so the gradients of an epoch have a pattern: where the data are
    sorted, by class for instance, every epoch ends by forgetting what it began with.

    batch_size: B, examples in a batch; or all
    drop_last: leave the last batch out where it is short

    >>> Sequential(batch_size=4).batches(10)
    3

    Source: Sun p. 19, "practical SGD" without its shuffle.
    """

    def order(self, n: int, stream: torch.Generator) -> Tensor | None:
        return None if self.length(n) == n else torch.arange(self.length(n))
