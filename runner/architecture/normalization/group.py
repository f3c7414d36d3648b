from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import nn

from runner.architecture.normalization.base import GroupNorm, Normalization
from runner.core.check import Count, Positive
from runner.core.errors import ConfigError


@final
@dataclass(frozen=True)
class Group(Normalization):
    """Mean 0 and variance 1 for each example over each group of channels.

        z_c = scale_c (x_c - mean_k) / sqrt(var_k + eps) + shift_c,   c in group k

    mean_k and var_k (divisor n) are taken over the channels of group k and all positions of one example. One group is
    layer normalization, one channel in a group is instance normalization.

    groups: their number, which must divide the number of channels
    eps: keeps the quotient finite where a group is constant

    Source: Wu & He 2018 (arXiv 1803.08494), which has 32 groups for hundreds of channels.
    """

    groups: Count = 4
    eps: Positive = 1e-5

    def build(self, channels: int, positions: int) -> nn.Module | None:
        if channels % self.groups or channels * positions == self.groups:
            raise ConfigError(
                "architecture.normalization.groups",
                self.groups,
                allowed=f"a divisor of the {channels} channels, with more than one number in a group",
                do="give architecture.normalization.groups=... such a divisor, or other widths",
            )
        return GroupNorm(self.groups, channels, self.eps)
