from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from runner.core.check import NonNegative
from runner.core.streams import stream as stream_of
from runner.init.base import Init, fans


@final
@dataclass(frozen=True)
class DuplicateUnits(Init):
    """All units of a hidden layer start as copies of one, which gradients alone can never part.

        w_kj = v_j + perturbation * noise_kj,  v_j ~ N(0, 2 / d_in),  k = 1 .. d_out

    Units that receive equal inputs over equal weights and are read with equal weights have equal gradients, so they
    move together: the point is a saddle of a wider network. Therefore the layers after the first also give equal
    weight to all their inputs (v_j is one number v), and only the last layer's outputs differ from each other.

    perturbation: deviation of the normal noise that is added to every weight; it parts the units in time

    >>> net = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
    >>> DuplicateUnits().apply(net, seed=0)
    >>> torch.equal(net[0].weight[0], net[0].weight[1]), torch.equal(net[2].weight[:, 0], net[2].weight[:, 1])
    (True, True)

    Source: Grosse, CSC321 lecture 8, "saddle points": identical units stay identical, slightly aside they escape.
    Here: a network with one weight tensor has no hidden units, and starts as with `kaiming_normal` from another stream.
    Two units part also by rounding, where the processor sums their rows in different orders.
    """

    perturbation: NonNegative = 0.0

    def fill(self, weight: Tensor, d_in: int, d_out: int, stream: torch.Generator) -> None:
        self.copies(weight, 1, weight.shape[1], stream)

    def copies(self, weight: Tensor, rows: int, columns: int, stream: torch.Generator) -> None:
        """Fill with one drawn block of so many rows and columns, repeated; then perturb."""
        block = weight.new_empty(rows, columns, *weight.shape[2:])
        block.normal_(0.0, (2 / fans(weight)[0]) ** 0.5, generator=stream)
        noise = torch.empty_like(weight).normal_(generator=stream)
        weight.copy_(block.expand_as(weight) + self.perturbation * noise)

    def apply(self, module: nn.Module, seed: int) -> None:
        super().apply(module, seed)  # biases and norms
        weights = [(name, weight) for name, weight in module.named_parameters() if weight.ndim >= 2]
        with torch.no_grad():
            for depth, (name, weight) in enumerate(weights):
                rows = weight.shape[0] if depth == len(weights) - 1 else 1
                columns = weight.shape[1] if depth == 0 else 1
                self.copies(weight, rows, columns, stream_of(seed, f"init/{name}"))
