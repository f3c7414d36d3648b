"""Affine maps with activations between them: the whole of an MLP, the end of a convolutional network."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from runner.architecture.activation.base import Activation
from runner.architecture.base import Map, Scaling
from runner.architecture.normalization.base import Normalization
from runner.architecture.orthogonal import constrained
from runner.core.noise import Dropout
from runner.core.rows import TakesRows


def affine(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """W x + b for x `[B, d_in]`, W `[d_out, d_in]`, b `[d_out]`; or for rows of these: `[K, B, d_out]`."""
    if weight.ndim == 2:
        return F.linear(x, weight, bias)
    return torch.bmm(x, weight.mT) if bias is None else torch.baddbmm(bias.unsqueeze(1), x, weight.mT)


class Perceptron(TakesRows):
    """The module of an MLP. Calls the functions of its layers directly: five module calls would cost 10 us a step."""

    def __init__(
        self,
        widths: tuple[int, ...],
        activation: Activation,
        normalization: Normalization,
        rate: float = 0.0,
        scaling: Scaling = "inverted",
        orthogonal: Map = "none",
    ) -> None:
        super().__init__()
        *hidden, last = pairwise(widths)
        many, bias = activation.width, not normalization.centers
        self.layers = nn.ModuleList([*(nn.Linear(a, many * b, bias) for a, b in hidden), nn.Linear(*last)])
        self.dropouts = nn.ModuleList(Dropout(width, rate, scaling) for width in widths[1:-1]) if rate else None
        norms = [norm for _, b in hidden if (norm := normalization.build(many * b, 1)) is not None]
        self.norms = nn.ModuleList(norms) if norms else None
        self.activation = activation.function()
        self.takes_rows = not norms and many == 1 and orthogonal == "none"
        self._linears: list[Any] = list(self.layers)  # iterating over a ModuleList would cost a microsecond a step
        for layer in self._linears[:-1]:
            constrained(layer, orthogonal)

    def forward(self, x: Tensor) -> Tensor:
        *hidden, last = self._linears
        for depth, layer in enumerate(hidden):
            x = affine(x, layer.weight, layer.bias)
            if self.norms is not None:
                x = self.norms[depth](x)
            x = self.activation(x)
            if self.dropouts is not None:
                x = self.dropouts[depth](x)
        return affine(x, last.weight, last.bias)
