"""Parts of a network that need random numbers in a forward pass: the numbers come from outside, once a mini-batch.

A layer that drew its own masks inside `forward` would make the loss another function at every call, and would make
the numbers of one run depend on who else used the global generator.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor, nn

Scaling = Literal["inverted", "test"]


class Noisy(nn.Module, ABC):
    """A layer whose noise, `mask [B, ...]` or None, is drawn before the forward pass and stays until the next draw."""

    mask: Tensor | None

    @abstractmethod
    def draw(self, batch: int, stream: torch.Generator | None, like: Tensor) -> None:
        """Draw the noise for `batch` examples, of the dtype and on the device of `like`; no stream: no noise."""


class Dropout(Noisy):
    """Set each unit to 0 with probability `rate` while training, and rescale so that the expected output is the input.

        mask_ij ~ Bernoulli(1 - rate)
        inverted  training: input * mask / (1 - rate)    in use: input
        test      training: input * mask                 in use: input * (1 - rate)

    input and output `[B, *shape]`; a mask of shape `(C, 1, 1)` sets whole channels of images `[B, C, H, W]` to 0.
    Without a stream (no noise) a layer in training is as in use.
    Source: Srivastava et al. 2014 rescale in use, by the probability to KEEP; Su, "Dropout", prints "rescale with the
    dropout probability". "inverted" is torch's.
    """

    def __init__(self, shape: int | tuple[int, ...], rate: float, scaling: Scaling = "inverted") -> None:
        super().__init__()
        self.shape = (shape,) if isinstance(shape, int) else tuple(shape)
        self.rate = rate
        self.kept = {"inverted": 1 - rate, "test": 1.0}[scaling]  # what a unit that stays is divided by
        self.used = {"inverted": 1.0, "test": 1 - rate}[scaling]  # what every unit is multiplied by without noise
        self.scaling = scaling
        self.mask: Tensor | None = None

    def draw(self, batch: int, stream: torch.Generator | None, like: Tensor) -> None:
        if stream is None or self.rate == 0:
            self.mask = None
            return
        if self.mask is None or self.mask.shape[0] != batch:
            self.mask = like.new_empty(batch, *self.shape)
        self.mask.bernoulli_(1 - self.rate, generator=stream).div_(self.kept)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.mask is None:
            return x if self.used == 1.0 else x * self.used
        return x * self.mask

    def extra_repr(self) -> str:
        return f"shape={self.shape}, rate={self.rate}, scaling={self.scaling}"
