from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from runner.sampler.base import Batched


@final
@dataclass(frozen=True)
class WithReplacement(Batched):
    """Draw every example of every mini-batch anew from all of them.

        batch k = B row numbers, each uniform on 0 .. N-1 and independent of all others

    The SGD of the theory: every mini-batch has the same distribution, and the variance of its gradient is sigma^2 / B.
    An epoch is N draws. It misses a share (1 - 1/N)^N of the examples, about 1/e = 37 percent, and sees others twice.

    batch_size: B, examples in a batch; or all
    drop_last: leave the last batch out where it is short

    >>> WithReplacement(batch_size=4).batches(10)
    3

    Source: Sun p. 18, "canonical SGD"; Grosse, CSC321 lecture 8, variance 1/S.
    """

    def order(self, n: int, stream: torch.Generator) -> Tensor:
        return torch.randint(n, (self.length(n),), generator=stream)
