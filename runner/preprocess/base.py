"""Preprocessing: one map of the inputs, fitted on the training part only and then applied to all parts.

What varies is the map. What is fixed: `fit` sees training rows and nothing else, so that a changed test row changes
no number of the training; the statistics are plain arrays that are written beside the run. A column that is constant
in the training part carries no information there, and dividing by its deviation (0, or rounding noise) would blow up
the one validation row where it differs: such columns are centred, left unscaled, and named.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from runner.core.check import Choice

Array = np.ndarray[Any, Any]
Statistics = dict[str, Array]


@dataclass(frozen=True)
class Preprocess(Choice, ABC):
    """A map x -> x~ with statistics from the training part."""

    @abstractmethod
    def fit(self, x: Array) -> Statistics:
        """What the map needs to know of the training inputs `x [N, ...]`, as named arrays."""

    @abstractmethod
    def transform(self, x: Array, statistics: Statistics) -> Array:
        """The mapped inputs, in the shape of `x [N, ...]`."""

    def fit_target(self, y: Array) -> Statistics:
        """Likewise for targets that are numbers, `y [N]`; by default they stay as they are."""
        return {}

    def transform_target(self, y: Array, statistics: Statistics) -> Array:
        """The mapped targets, `[N]`."""
        return y

    def remarks(self, statistics: Statistics) -> list[str]:
        """What the user should know of the fit, one sentence each."""
        return []
