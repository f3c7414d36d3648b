from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor

from runner.core.errors import ConfigError
from runner.loss.base import OfClasses


@final
@dataclass(frozen=True, kw_only=True)
class ZeroOne(OfClasses):
    """The share of examples whose largest score is not the right class, a loss that cannot be trained.

        L = mean_i( [argmax_k z_ik != y_i] )

    A small change of theta changes no decision, so the gradient is 0 almost everywhere and undefined at the jumps:
    every point is a plateau. Training with it is refused; other losses stand in for it and measure accuracy = 1 - L.
    Metric: accuracy, the share of examples whose largest score is the right class.

    >>> import torch
    >>> ZeroOne().value(torch.tensor([[2.0, 1.0], [0.0, 3.0]]), torch.tensor([0, 0])).item()
    0.5

    Source: Grosse, CSC321 lecture 8, "plateaux": the 0-1 loss.
    """

    def value(self, output: Tensor, target: Tensor) -> Tensor:
        return (output.argmax(-1) != target).to(output.dtype).mean()

    def refuse_training(self) -> None:
        raise ConfigError(
            "loss",
            "zero_one",
            allowed="a loss with a gradient; that of the share of mistakes is 0 almost everywhere",
            do="choose loss=cross_entropy, and read the share of mistakes as 1 - accuracy",
        )
