from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import nn

from runner.architecture.normalization.base import GroupNorm, Normalization
from runner.core.check import Positive


@final
@dataclass(frozen=True)
class Layer(Normalization):
    """Mean 0 and variance 1 for each example over all its channels, in training and in use alike.

        z_c = scale_c (x_c - mean) / sqrt(var + eps) + shift_c

    mean and var (divisor n) are taken over the channels and positions of one example.

    eps: keeps the quotient finite where all channels are equal

    Source: Ba, Kiros & Hinton 2016 (arXiv 1607.06450); Su, "layer normalization".
    Here: with images, scale and shift are one for each channel; torch.nn.LayerNorm([C, H, W]) has one for each number.
    """

    eps: Positive = 1e-5

    def build(self, channels: int, positions: int) -> nn.Module | None:
        return GroupNorm(1, channels, self.eps)
