from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from runner.core.check import Index
from runner.core.streams import stream as named_stream
from runner.sampler.base import Batched


@final
@dataclass(frozen=True)
class FixedPartition(Batched):
    """Divide the examples into mini-batches once, and go through the same ones in every epoch.

        blocks = consecutive B of one random permutation of 0 .. N-1, drawn before the first epoch
        epoch  = all blocks, in a new random order (reshuffle_blocks) or always in the same one

    Examples that share a block share it for the whole run, so there are N / B gradients and not more: the noise of an
    epoch is less than with `shuffle`, and what a block lacks it always lacks. The short block, if there is one, is the
    last of every epoch, since batches of one size are cut from its order.

    batch_size: B, examples in a batch; or all
    drop_last: leave the last batch out where it is short: always the same examples
    partition_seed: draws the partition; like split_seed of the data it is not the run's seed
    reshuffle_blocks: a new order of the blocks in every epoch

    >>> FixedPartition(batch_size=4).batches(10)
    3

    Source: Farrahi p. 7, where "partition the dataset into an array of subsets" stands before the loop over epochs.
    Here: the order of the blocks is drawn anew in every epoch unless told otherwise; the deck leaves it open.
    """

    partition_seed: Index = 0
    reshuffle_blocks: bool = True

    def order(self, n: int, stream: torch.Generator) -> Tensor:
        rows = torch.randperm(n, generator=named_stream(self.partition_seed, "partition"))
        size = self.size(n)
        full = n // size
        blocks, rest = rows[: full * size].view(full, size), rows[full * size : self.length(n)]
        if self.reshuffle_blocks:
            blocks = blocks[torch.randperm(full, generator=stream)]
        return torch.cat((blocks.flatten(), rest))
