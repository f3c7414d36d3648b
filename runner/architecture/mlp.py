from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, final

from torch import Tensor, nn
from torch.nn import functional as F

from runner.architecture.base import ACTIVATIONS, Activation, Architecture
from runner.core.check import Below1, Count
from runner.core.noise import Dropout


@final
@dataclass(frozen=True)
class MLP(Architecture):
    """A multilayer perceptron: affine maps with an activation between them.

        h_0 = x;  h_l = dropout(sigma(W_l h_{l-1} + b_l)),  l = 1 .. L;  output = W_{L+1} h_L + b_{L+1}

    hidden: the widths of h_1 .. h_L; [] leaves one affine map
    activation: sigma, applied to every element
    dropout: probability to set a hidden unit to 0 in training; the others are scaled by 1 / (1 - dropout)

    >>> sum(p.numel() for p in MLP(hidden=[32, 32]).build((64,), 10).parameters())
    3466

    Source: Sun p. 6, with its activations on p. 7 to 10; Su, "dropout".
    """

    hidden: tuple[Count, ...] = (128, 128)
    activation: Activation = "relu"
    dropout: Below1 = 0.0

    @property
    def label(self) -> str:
        widths = "-".join(str(width) for width in self.hidden) or "without hidden units"
        return " ".join([f"mlp {widths}", *(text for text in self.changed() if not text.startswith("hidden="))])

    def build(self, inputs: tuple[int, ...], outputs: int) -> nn.Module:
        widths = (math.prod(inputs), *self.hidden, outputs)
        return Perceptron(widths, ACTIVATIONS[self.activation], self.dropout)


class Perceptron(nn.Module):
    """The module of an MLP. Calls the functions of its layers directly: five module calls would cost 10 us a step."""

    def __init__(self, widths: tuple[int, ...], activation: Callable[[Tensor], Tensor], rate: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.dropouts = nn.ModuleList(Dropout(width, rate) for width in widths[1:-1]) if rate else None
        self.activation = activation
        self._linears: list[Any] = list(self.layers)  # iterating over a ModuleList would cost a microsecond a step

    def forward(self, x: Tensor) -> Tensor:
        *hidden, last = self._linears
        for depth, layer in enumerate(hidden):
            x = self.activation(F.linear(x, layer.weight, layer.bias))
            if self.dropouts is not None:
                x = self.dropouts[depth](x)
        return F.linear(x, last.weight, last.bias)
