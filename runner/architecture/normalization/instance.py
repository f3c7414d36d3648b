from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import nn

from runner.architecture.normalization.base import GroupNorm, Normalization
from runner.core.check import Positive
from runner.core.errors import ConfigError


@final
@dataclass(frozen=True)
class Instance(Normalization):
    """Mean 0 and variance 1 for each example and channel over all positions of an image.

        z_c = scale_c (x_c - mean_c) / sqrt(var_c + eps) + shift_c

    mean_c and var_c (divisor n) are taken over the positions of channel c of one example.

    eps: keeps the quotient finite where a channel is constant

    Source: Ulyanov, Vedaldi & Lempitsky 2016 (arXiv 1607.08022); Su, "instance normalization".
    Here: scale and shift are learned, as in torch.nn.InstanceNorm2d(affine=True). A channel of a single number would
    always become 0, which is refused.
    """

    centers: ClassVar[bool] = True
    eps: Positive = 1e-5

    def build(self, channels: int, positions: int) -> nn.Module | None:
        if positions == 1:
            raise ConfigError(
                "architecture.normalization",
                "instance",
                allowed="channels of more than one number; here each has one, and its own mean would leave 0",
                do="give architecture/normalization=layer, or architecture=convnet for images",
            )
        return GroupNorm(channels, channels, self.eps)
