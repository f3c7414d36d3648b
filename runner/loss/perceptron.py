from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from runner.loss.base import OfTwoClasses


@final
@dataclass(frozen=True, kw_only=True)
class Perceptron(OfTwoClasses):
    """Nothing for an example on the right side, and its distance on the wrong one.

        L = mean_i( max(0, -s_i z_i) ),  s_i = 2 y_i - 1

    s_i is -1 or +1. With one affine map, a batch of one example and lr 1, a gradient step is Rosenblatt's rule: at a
    mistake w <- w + s x, else nothing. If the data can be separated with margin gamma within radius R, it makes at most
    (R / gamma)^2 mistakes, although the sign that it trains has no gradient.
    Metric: accuracy; a score above 0 is class 1.

    >>> import torch
    >>> Perceptron().value(torch.tensor([[2.0], [3.0]]), torch.tensor([1, 0])).item()
    1.5

    Source: Rosenblatt 1958; Novikoff 1962; Sun p. 7, "why does the classic Perceptron converge?".
    Here: a score of exactly 0 is a mistake, with gradient -s: a ReLU's 0 there would never leave init=zeros. The loss
    is 0 for w = 0 too, so it ranks nothing; look at the accuracy.
    """

    def value(self, output: Tensor, target: Tensor) -> Tensor:
        margin = output.squeeze(-1) * (2 * target - 1)
        return -torch.where(margin <= 0, margin, 0).mean()
