from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from runner.loss.base import Direction, Loss, needs_numbers


@final
@dataclass(frozen=True)
class MSE(Loss):
    """The mean squared error of one number for each example.

        L = mean_i( (z_i - y_i)^2 )

    z_i is the single output for example i, y_i its target, in the units that the preprocessing leaves: with
    `preprocess=standardize` those of the targets' deviation, where L = 1 is what predicting the mean achieves.
    Metric: mae, the mean of |z_i - y_i|.

    >>> import torch
    >>> MSE().value(torch.tensor([[1.0], [2.0]]), torch.tensor([0.0, 0.0])).item()
    2.5

    Source: Sun p. 12; torch.nn.MSELoss. There is no factor 1/2.
    """

    metrics: ClassVar[dict[str, Direction]] = {"mae": "min"}

    def value(self, output: Tensor, target: Tensor) -> Tensor:
        return (output.squeeze(-1) - target).square().mean()

    def outputs(self, classes: int | None) -> int:
        return needs_numbers("mse", classes)

    def measure(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        return {"mae": (output.squeeze(-1) - target).abs().mean()}
