from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from runner.core.check import Index, NonNegative, Positive
from runner.dataset.base import Divided, Examples, Table, numbers


@final
@dataclass(frozen=True, kw_only=True)
class Sine(Divided):
    """Fit a sine curve: one input, the target is a number, made up.

        y = sin(frequency x) + noise e,   x ~ U(-pi, pi),   e ~ N(0, 1)

    For watching a network approximate a function: the error against the width, or against the frequency.

    examples: N
    frequency: periods in the interval
    noise: standard deviation of what is added to the target; its square is the least mse that can be hoped for
    data_seed: draws x and the noise; it is not the run's seed

    >>> table = Sine(noise=0).load()
    >>> bool((table.y == np.sin(table.x[:, 0])).all())
    True

    Source: Sun p. 2 and 6, universal approximation.
    """

    examples: Examples = 1000
    frequency: Positive = 1.0
    noise: NonNegative = 0.1
    data_seed: Index = 0

    def load(self) -> Table:
        rng = numbers(self.data_seed)
        x = rng.uniform(-np.pi, np.pi, (self.examples, 1))
        y = np.sin(self.frequency * x[:, 0]) + self.noise * rng.standard_normal(self.examples)
        return Table(x, y, classes=None, columns=("x",))
