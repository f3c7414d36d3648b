"""Samplers: which training examples make up the mini-batches of an epoch, and in what order.

What varies is the order. What is fixed: an epoch is one list of row numbers, cut into consecutive batches of the same
size; the list of epoch e is a function of (seed, e) alone, so that it does not depend on the optimizer, and a
resumed run sees the batches that the interrupted one would have seen.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from runner.core.check import Choice


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
