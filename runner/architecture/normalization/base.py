"""Normalizations: what is done to the channels between an affine map and its activation.

        z = scale_c (x - mean) / sqrt(var + eps) + shift_c

What varies is over what the mean and the variance are taken, for x `[B, C, ...]` with positions `...`:

    batch      for each channel, over the mini-batch and all positions; other numbers in use than in training
    layer      for each example, over all channels and positions
    group      for each example and each group of channels, over the group and all positions
    instance   for each example and channel, over all positions

What is fixed: scale and shift are parameters, one for each channel, that start at 1 and 0; with scale_c = sqrt(var +
eps) and shift_c = mean the map is the identity, so nothing is lost. All but batch treat an example by itself, in
training and in use alike.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from runner.core.check import Choice
from runner.core.products import TwiceOneByOne


@dataclass(frozen=True)
class Normalization(Choice, ABC):
    """A recipe for a layer between an affine map and its activation."""

    centers: ClassVar[bool] = False  # takes a channel's mean away, so that a bias before it would do nothing
    mixes: ClassVar[bool] = False  # in training, what becomes of an example depends on the others of its mini-batch

    @abstractmethod
    def build(self, channels: int, positions: int) -> nn.Module | None:
        """A layer for x `[B, channels, ...]` with so many numbers in a channel; None to do nothing."""


class GroupNorm(TwiceOneByOne):
    """The layer for moments of one example: over the positions of each of `groups` groups of channels.

    torch.group_norm differentiated twice mistakes rows for examples and fails (torch 2.13).
    """

    def __init__(self, groups: int, channels: int, eps: float) -> None:
        super().__init__()
        self.groups = groups
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return torch.group_norm(x, self.groups, self.weight, self.bias, self.eps)
