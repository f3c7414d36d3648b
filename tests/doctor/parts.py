"""Parts that carry a fault which no choice of the menu has, and examples that it does not make."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, final

import numpy as np
import torch
from sklearn.datasets import make_classification, make_friedman1, make_friedman2, make_gaussian_quantiles, make_s_curve
from torch import nn

from runner.dataset.base import Divided, Table
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


@final
@dataclass(frozen=True, kw_only=True)
class Shells(Divided):
    """Three classes that lie around each other as the shells of an onion do, by scikit-learn."""

    examples: int = 800
    features: int = 3
    data_seed: int = 0

    def load(self) -> Table:
        x, y = make_gaussian_quantiles(
            n_samples=self.examples, n_features=self.features, n_classes=3, random_state=self.data_seed
        )
        return Table(x, y, classes=("inner", "middle", "outer"))


@final
@dataclass(frozen=True, kw_only=True)
class Corners(Divided):
    """Four classes of two clouds each, at corners of a cube, of which a share `flip` has another's name."""

    examples: int = 800
    apart: float = 1.5
    flip: float = 0.0
    data_seed: int = 0

    def load(self) -> Table:
        x, y = make_classification(
            n_samples=self.examples,
            n_features=6,
            n_informative=4,
            n_classes=4,
            class_sep=self.apart,
            flip_y=self.flip,
            random_state=self.data_seed,
        )
        return Table(x, y, classes=("0", "1", "2", "3"))


@final
@dataclass(frozen=True, kw_only=True)
class Friedman(Divided):
    """One of Friedman's curved functions, of five or of four inputs, and noise, by scikit-learn."""

    examples: int = 800
    function: int = 1
    noise: float = 1.0
    data_seed: int = 0

    def load(self) -> Table:
        made = partial(make_friedman1, n_features=5) if self.function == 1 else make_friedman2
        x, y = made(n_samples=self.examples, noise=self.noise, random_state=self.data_seed)
        return Table(x, y, classes=None)


@final
@dataclass(frozen=True, kw_only=True)
class Curve(Divided):
    """How far along a sheet in space, bent like an S, a point lies, by scikit-learn."""

    examples: int = 800
    noise: float = 0.1
    data_seed: int = 0

    def load(self) -> Table:
        x, y = make_s_curve(n_samples=self.examples, noise=self.noise, random_state=self.data_seed)
        return Table(x, y, classes=None)
