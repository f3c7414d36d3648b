from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from runner.architecture.base import Scaling, WithDropout
from runner.architecture.image import as_rows, rows
from runner.core.check import Below1, Count
from runner.core.noise import Dropout


@final
@dataclass(frozen=True)
class LSTM(WithDropout):
    """A recurrent network with a memory that gates protect; it reads an image row by row.

        (i, f, g, o) = W x_t + b + U h_{t-1}
        c_t = sigmoid(f + forget_bias) c_{t-1} + sigmoid(i) tanh(g);   h_t = sigmoid(o) tanh(c_t),   t = 1 .. T
        output = V dropout(h_T) + d

    x_t is row t of the image; h_0 = c_0 = 0. Where the forget gate is open, the gradient passes from c_t to c_{t-1}
    undiminished.

    hidden: the number of units h, and of memory cells c
    forget_bias: a constant that starts the forget gates open, since initial biases are 0
    dropout: probability to set a unit of h_T to 0 in training
    dropout_scaling: inverted divides by 1 - dropout in training; test multiplies by 1 - dropout in use

    >>> sum(p.numel() for p in LSTM().build((8, 8), 10).parameters())
    19338

    Source: Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000 for f; Jozefowicz, Zaremba & Sutskever 2015
    for a forget bias of 1.
    Here: torch.nn.LSTM has two biases, which are one, and no forget_bias.
    """

    flat: ClassVar[bool] = False
    hidden: Count = 64
    forget_bias: float = 1.0
    dropout: Below1 = 0.0
    dropout_scaling: Scaling = "inverted"

    def build(self, inputs: tuple[int, ...], outputs: int) -> nn.Module:
        return Memory(self, rows(inputs)[1], outputs)


class Memory(nn.Module):
    """The module of an LSTM."""

    def __init__(self, recipe: LSTM, inputs: int, outputs: int) -> None:
        super().__init__()
        self.input = nn.Linear(inputs, 4 * recipe.hidden)
        self.state = nn.Linear(recipe.hidden, 4 * recipe.hidden, bias=False)
        self.forget_bias = recipe.forget_bias
        self.dropout = Dropout(recipe.hidden, recipe.dropout, recipe.dropout_scaling)
        self.head = nn.Linear(recipe.hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        driven = F.linear(as_rows(x), self.input.weight, self.input.bias)  # of all rows in one product
        h = c = driven.new_zeros(len(x), self.state.in_features)
        for u in driven.unbind(1):
            i, f, g, o = (u + F.linear(h, self.state.weight)).chunk(4, dim=1)
            c = torch.sigmoid(f + self.forget_bias) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        return F.linear(self.dropout(h), self.head.weight, self.head.bias)
