from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final

import torch
from torch import Tensor, nn

from runner.architecture.normalization.base import Normalization
from runner.core.check import Positive, Unit
from runner.core.moments import Moments


@final
@dataclass(frozen=True)
class Batch(Normalization):
    """Mean 0 and variance 1 for each channel over the mini-batch; in use from the training data.

        z_c = scale_c (x_c - mean_c) / sqrt(var_c + eps) + shift_c
        running   mean <- (1 - momentum) mean + momentum mean_batch,   var likewise
        exact     mean, var over all training examples, at the parameters that are judged

    In training, mean and var (divisor n) are those of the mini-batch, and the loss is differentiated through them.

    evaluation: which statistics are used in evaluation
    momentum: the share of the newest mini-batch in the running statistics
    eps: keeps the quotient finite where a channel is constant

    Source: Ioffe & Szegedy 2015 (arXiv 1502.03167), algorithms 1 and 2; Su, "batch normalization".
    Here: the running variance takes in the mini-batch's with divisor n - 1, as torch and the paper do, where the slide
    has n in both places; exact has divisor N, since it is no estimate. `momentum` is the share of the NEW, as in torch
    (the slides' rho is the share that is kept). `exact` costs a forward pass over the training part for each layer
    and epoch. torch's `update_bn` averages variances within batches, which misses that between their means. Of a
    mini-batch of one example there is no variance: it is normalized by the running statistics, where torch raises.
    """

    centers: ClassVar[bool] = True
    mixes: ClassVar[bool] = True
    evaluation: Literal["running", "exact"] = "running"
    momentum: Unit = 0.1
    eps: Positive = 1e-5

    def build(self, channels: int, positions: int) -> nn.Module | None:
        return BatchNorm(channels, self.momentum, self.eps, exact=self.evaluation == "exact")


class BatchNorm(Moments):
    """The layer of batch normalization with its scale `weight` and shift `bias`, both `[C]`."""

    def __init__(self, channels: int, momentum: float, eps: float, exact: bool) -> None:
        super().__init__(channels, momentum, eps, exact)
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return self.normalized(x, self.weight, self.bias)
