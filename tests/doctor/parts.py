"""Parts that carry a fault which no choice of the menu has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import nn

from runner.init.kaiming_normal import KaimingNormal
from runner.preprocess.base import Array, Preprocess, Statistics
from runner.preprocess.standardize import Standardize


@final
@dataclass(frozen=True)
class LowBiases(KaimingNormal):  # type: ignore[misc]
    """Kaiming's weights under biases so far below 0 that a relu never lets anything through."""

    bias: float = -20.0

    def apply(self, module: nn.Module, seed: int) -> None:
        super().apply(module, seed)
        with torch.no_grad():
            for _, parameter in list(module.named_parameters())[:-1]:
                if parameter.ndim == 1:
                    parameter.fill_(self.bias)


@final
@dataclass(frozen=True)
class Stretched(Preprocess):
    """Standardized inputs of which the first column is `factor` times as wide, and all lie `offset` away from 0."""

    target: bool = True
    factor: float = 1.0
    offset: float = 0.0

    def learn(self, blocks: Any) -> Statistics:
        return Standardize().learn(blocks)

    def transform(self, x: Array, statistics: Statistics) -> Array:
        x = Standardize().transform(x, statistics)
        widths = np.where(np.arange(x.shape[1]) == 0, self.factor, 1.0)
        return x * widths + self.offset

    def fit_target(self, y: Array) -> Statistics:
        return Standardize().fit_target(y)

    def transform_target(self, y: Array, statistics: Statistics) -> Array:
        return Standardize().transform_target(y, statistics)
