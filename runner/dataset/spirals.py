from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, final

import numpy as np

from runner.core.check import Index, NonNegative, Positive, Range
from runner.dataset.base import Divided, Examples, Table, no_more_than, numbers


@final
@dataclass(frozen=True, kw_only=True)
class Spirals(Divided):
    """Tell the arms of a spiral apart: points in the plane, as many classes as arms, made up.

        arm k: r (cos a, sin a) + noise N(0, I),  a = 2 pi (turns r + k / arms),  r = (i + 1/2) / n,  i = 0 .. n-1

    n is the number of points in an arm. Hard for a small network: the arms wind around each other.

    examples: N, divided evenly among the arms; the first arms have one more where that does not go
    arms: number of arms, each a class
    turns: how often an arm winds around the centre
    noise: standard deviation of what is added to each coordinate; the outer radius is 1
    data_seed: draws the noise; it is not the run's seed

    >>> Spirals(examples=4, arms=2, turns=1, noise=0).load().x.round(2).tolist()
    [[0.0, 0.25], [-0.0, -0.75], [-0.0, -0.25], [0.0, 0.75]]

    Source: Lang & Witbrock 1988, "Learning to tell two spirals apart".
    Here: the radius grows evenly from the centre; theirs starts aside of it, and has 97 points in each of two arms.
    """

    examples: Examples = 1000
    arms: Annotated[int, Range(least=2, most=1e15)] = 2
    turns: Positive = 1.5
    noise: NonNegative = 0.02
    data_seed: Index = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        no_more_than(self.examples, "arms", self.arms)

    def load(self) -> Table:
        sizes = [len(part) for part in np.array_split(np.arange(self.examples), self.arms)]
        radius = np.concatenate([(np.arange(n) + 0.5) / n for n in sizes])
        y = np.repeat(np.arange(self.arms), sizes)
        angle = 2 * np.pi * (self.turns * radius + y / self.arms)
        x = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        x += self.noise * numbers(self.data_seed).standard_normal(x.shape)
        return Table(x, y, classes=tuple(str(k) for k in range(self.arms)), columns=("x1", "x2"))
