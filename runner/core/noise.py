"""Parts of a network that need random numbers in a forward pass: the numbers come from outside, once a mini-batch.

A layer that drew its own masks inside `forward` would make the loss another function at every call, and would make
the numbers of one run depend on who else used the global generator.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class Noisy(nn.Module, ABC):
    """A layer whose noise is drawn before the forward pass and stays until the next draw."""

    @abstractmethod
    def draw(self, batch: int, stream: torch.Generator | None, like: Tensor) -> None:
        """Draw the noise for `batch` examples, of the dtype and on the device of `like`; no stream: no noise."""


class Dropout(Noisy):
    """Set each unit to 0 with probability `rate` and scale the others by 1 / (1 - rate), while training.

        mask_ij ~ Bernoulli(1 - rate);   output = input * mask / (1 - rate)      ("inverted" scaling)

    input and output `[B, width]`. With this scaling E[output] = input and nothing is rescaled in evaluation.
    Source: Srivastava et al. 2014; Su, "Dropout", which prints "rescale with the dropout probability": it is the
    probability to KEEP that the test-time variant multiplies by.
    """

    def __init__(self, width: int, rate: float) -> None:
        super().__init__()
        self.width = width
        self.rate = rate
        self.mask: Tensor | None = None

    def draw(self, batch: int, stream: torch.Generator | None, like: Tensor) -> None:
        if stream is None or self.rate == 0:
            self.mask = None
            return
        keep = 1 - self.rate
        if self.mask is None or self.mask.shape[0] != batch:
            self.mask = like.new_empty(batch, self.width)
        self.mask.bernoulli_(keep, generator=stream).div_(keep)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.mask is None:
            return x
        return x * self.mask

    def extra_repr(self) -> str:
        return f"width={self.width}, rate={self.rate}"
