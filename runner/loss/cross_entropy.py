from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor
from torch.nn import functional as F

from runner.loss.base import Direction, Loss, needs_classes


@final
@dataclass(frozen=True)
class CrossEntropy(Loss):
    """The negative log-probability of the right class, with probabilities by softmax over the scores.

        L = mean_i( -log p_i[y_i] ),   p_i = softmax(z_i)

    z_i `[classes]` are the scores of example i, y_i its class. Uniform guessing has L = log(classes).
    Metric: accuracy, the share of examples whose largest score is the right class.

    >>> import torch
    >>> CrossEntropy().value(torch.zeros(1, 10), torch.tensor([3])).item()  # log 10
    2.3025851249694824

    Source: Sun p. 12. Softmax and logarithm are taken together, on scores, which cannot overflow.
    """

    metrics: ClassVar[dict[str, Direction]] = {"accuracy": "max"}

    def value(self, output: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(output, target)

    def outputs(self, classes: int | None) -> int:
        return needs_classes("cross_entropy", classes)

    def measure(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        return {"accuracy": (output.argmax(-1) == target).to(output.dtype).mean()}
