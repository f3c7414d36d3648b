"""What knowing nothing costs: the loss of the best constant answer on the training targets."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from runner.core.errors import ConfigError
from runner.loss.base import Loss

MOST = 10_000  # targets that are looked at: their shares are known to half a percent


def chance(loss: Loss, y: Tensor) -> float:
    """The loss of the frequencies of the classes, or of the mean of the numbers, `y [N]`; nan where it has neither.

    >>> from runner.loss.cross_entropy import CrossEntropy
    >>> round(chance(CrossEntropy(), torch.tensor([0, 1, 0, 1])), 4)  # ln 2
    0.6931
    """
    y = y[:MOST]
    if not len(y):
        return math.nan
    if y.is_floating_point():
        return loss.value(y.mean().expand(len(y), 1), y).item()
    shares = torch.bincount(y).double() / len(y)
    return of_shares(loss, shares.expand(len(y), len(shares)), y)


def of_shares(loss: Loss, shares: Tensor, y: Tensor) -> float:
    """What probabilities `shares [N, C]` lose as an answer to `y [N]`; nan where the loss does not take classes."""
    try:
        outputs = loss.outputs(shares.shape[1])
    except ConfigError:
        return math.nan
    log = shares.clamp(min=1e-9).log()
    scores = log if outputs > 1 else log[:, -1:] - log[:, :1]
    return loss.value(scores, y).item()
