from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import final

from torch import nn

from runner.architecture.activation.base import Activation
from runner.architecture.activation.relu import ReLU
from runner.architecture.base import Map, Scaling, WithDropout
from runner.architecture.dense import Perceptron
from runner.architecture.normalization.base import Normalization
from runner.architecture.normalization.none import NoNormalization
from runner.core.check import Below1, Count


@final
@dataclass(frozen=True)
class MLP(WithDropout):
    """A multilayer perceptron: affine maps with an activation between them.

        h_0 = x;  h_l = dropout(sigma(norm(W_l h_{l-1} + b_l))),  l = 1 .. L;  output = W_{L+1} h_L + b_{L+1}

    hidden: the widths of h_1 .. h_L; [] leaves one affine map
    activation: sigma
    normalization: norm; where it takes the mean of a unit away there is no b_l
    dropout: probability to set a hidden unit to 0 in training
    dropout_scaling: inverted divides by 1 - dropout in training; test multiplies by 1 - dropout in use
    orthogonal: keeps W_1 .. W_L orthogonal, as this function of free parameters

    >>> sum(p.numel() for p in MLP(hidden=[32, 32]).build((64,), 10).parameters())
    3466

    Source: Sun p. 6; Su, "dropout"; Sun p. 42 for orthogonal weights.
    Here: Su rescales "with the dropout probability"; right is the probability to keep, 1 - dropout. Both scalings
    give the same expected input to the next layer, but rates and weight decay act on weights of different size.
    """

    hidden: tuple[Count, ...] = (128, 128)
    activation: Activation = field(default_factory=ReLU)
    normalization: Normalization = field(default_factory=NoNormalization)
    dropout: Below1 = 0.0
    dropout_scaling: Scaling = "inverted"
    orthogonal: Map = "none"

    @property
    def label(self) -> str:
        widths = "-".join(str(width) for width in self.hidden) or "without hidden units"
        return " ".join([f"mlp {widths}", *(text for text in self.changed() if not text.startswith("hidden="))])

    def build(self, inputs: tuple[int, ...], outputs: int) -> nn.Module:
        widths = (math.prod(inputs), *self.hidden, outputs)
        return Perceptron(
            widths, self.activation, self.normalization, self.dropout, self.dropout_scaling, self.orthogonal
        )
