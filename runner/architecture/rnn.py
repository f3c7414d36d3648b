from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, final

from torch import Tensor, nn
from torch.nn import functional as F

from runner.architecture.activation.base import Activation
from runner.architecture.activation.tanh import Tanh
from runner.architecture.base import Scaling, WithDropout
from runner.architecture.image import as_rows, rows
from runner.architecture.normalization.base import Normalization
from runner.architecture.normalization.none import NoNormalization
from runner.core.check import Below1, Count
from runner.core.errors import ConfigError
from runner.core.noise import Dropout


@final
@dataclass(frozen=True)
class RNN(WithDropout):
    """A recurrent network that reads an image row by row and scores what it remembers in the end.

        h_0 = 0;  h_t = sigma(norm(W x_t + b + U h_{t-1})),  t = 1 .. T;  output = V dropout(h_T) + c

    x_t is row t of the image. The gradient of h_T with respect to h_t is a product of T - t Jacobians, which vanishes
    or explodes with T.

    hidden: the number of units h
    activation: sigma
    normalization: norm, the same at every t; not batch, whose statistics would be others at every t
    dropout: probability to set a unit of h_T to 0 in training
    dropout_scaling: inverted divides by 1 - dropout in training; test multiplies by 1 - dropout in use

    >>> sum(p.numel() for p in RNN().build((8, 8), 10).parameters())
    5322

    Source: Elman 1990; Ba, Kiros & Hinton 2016 (arXiv 1607.06450) for norm; Su, "layer normalization".
    Here: torch.nn.RNN has two biases, which are one.
    """

    flat: ClassVar[bool] = False
    hidden: Count = 64
    activation: Activation = field(default_factory=Tanh)
    normalization: Normalization = field(default_factory=NoNormalization)
    dropout: Below1 = 0.0
    dropout_scaling: Scaling = "inverted"

    def build(self, inputs: tuple[int, ...], outputs: int) -> nn.Module:
        if self.normalization.mixes:
            raise ConfigError(
                "architecture.normalization",
                self.normalization.label,
                allowed="one that treats each example by itself, since every time step has statistics of its own",
                do="give architecture/normalization=layer",
            )
        return Recurrent(self, rows(inputs)[1], outputs)


class Recurrent(nn.Module):
    """The module of an RNN."""

    def __init__(self, recipe: RNN, inputs: int, outputs: int) -> None:
        super().__init__()
        width = recipe.activation.width * recipe.hidden
        self.input = nn.Linear(inputs, width)
        self.state = nn.Linear(recipe.hidden, width, bias=False)
        self.norm = recipe.normalization.build(width, 1)
        self.activation = recipe.activation.function()
        self.dropout = Dropout(recipe.hidden, recipe.dropout, recipe.dropout_scaling)
        self.head = nn.Linear(recipe.hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        driven = F.linear(as_rows(x), self.input.weight, self.input.bias)  # of all rows in one product
        h = driven.new_zeros(len(x), self.state.in_features)
        for u in driven.unbind(1):
            u = u + F.linear(h, self.state.weight)
            h = self.activation(u if self.norm is None else self.norm(u))
        return F.linear(self.dropout(h), self.head.weight, self.head.bias)
