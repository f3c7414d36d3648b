"""Samplers: which training examples make up the mini-batches of an epoch, and in what order.

What varies is the order. What is fixed: an epoch is one list of row numbers, cut into consecutive batches of the same
size; the list of epoch e is a function of (seed, e) alone, so that it does not depend on the optimizer, and a
resumed run sees the batches that the interrupted one would have seen. Rows are numbered 0 .. N-1, N being the number of
training examples. (Sun p. 18 and 19 print {1..m}, {0..m-1} and {0..m} in turn; the last would be one row too many.)

A short batch at the end of an epoch is kept unless `drop_last` is given. It weighs as much as a full one in the update,
so its examples weigh more than the others; with a loss that is a sum and not a mean, its step is smaller instead.

The gradient of a mini-batch of S rows is unbiased, with the variance of one example's gradient divided by S if they are
drawn with replacement, and by S (N - 1) / (N - S) if without: nothing is left of it at S = N.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from runner.core.check import Choice, Count


@dataclass(frozen=True)
class Sampler(Choice, ABC):
    """The order of one epoch and the size of its batches."""

    @abstractmethod
    def order(self, n: int, stream: torch.Generator) -> Tensor | None:
        """Row numbers `[M]` of one epoch over `n` rows; None means 0, 1, ..., n-1, as they lie."""

    @abstractmethod
    def size(self, n: int) -> int:
        """Examples in a batch, of `n` in the training part."""

    def length(self, n: int) -> int:
        """M, the examples of one epoch."""
        return n

    def batches(self, n: int) -> int:
        """Steps in an epoch; the last one may be short."""
        return -(-self.length(n) // self.size(n))


@dataclass(frozen=True)
class Batched(Sampler, ABC):
    """Batches of B examples, the last of an epoch kept or dropped where B does not divide N.

    batch_size: B, examples in a batch, at most N; or all, which is N
    drop_last: leave the last batch out where it is short
    """

    batch_size: Count | Literal["all"] = 100
    drop_last: bool = False

    def size(self, n: int) -> int:
        return n if self.batch_size == "all" else min(self.batch_size, n)

    def length(self, n: int) -> int:
        return n - n % self.size(n) if self.drop_last else n
