from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import final

from runner.preprocess.base import Array, Blocks, Preprocess, Statistics


@final
@dataclass(frozen=True)
class Chain(Preprocess):
    """Apply several maps one after the other, each fitted on what the one before it leaves.

        x~ = f_K( ... f_2(f_1(x)) ... )

    The order is that in which the steps are listed. Another map for a step:
    `preprocess=chain preprocess@preprocess.steps.first=center`; a third step:
    `+preprocess@preprocess.steps.third=min_max`; one step less: `~preprocess@preprocess.steps.second`.

    steps: maps by name, as in `preprocess.steps.second.eps=0.01`

    >>> import numpy as np
    >>> from runner.preprocess.center import Center
    >>> from runner.preprocess.min_max import MinMax
    >>> map = Chain(steps={"first": Center(), "second": MinMax(low=-1)})
    >>> x = np.array([[1.0], [2.0], [5.0]])
    >>> map.transform(x, map.fit(x)).tolist()
    [[-1.0], [-0.5], [1.0]]

    Source: Su, "data preprocessing": one or several of the methods.
    """

    steps: dict[str, Preprocess] = field(default_factory=dict)

    @property
    def label(self) -> str:
        return " > ".join(step.label for step in self.steps.values()) or "chain of nothing"

    def learn(self, blocks: Blocks) -> Statistics:
        found: Statistics = {}
        for name, step in self.steps.items():
            learned = step.learn(blocks)
            found |= named(name, learned)
            blocks = Mapped(blocks, step, learned)
        return found

    def transform(self, x: Array, statistics: Statistics) -> Array:
        for name, step in self.steps.items():
            x = step.transform(x, of(name, statistics))
        return x

    def fit_target(self, y: Array) -> Statistics:
        found: Statistics = {}
        for name, step in self.steps.items():
            learned = step.fit_target(y)
            found |= named(name, learned)
            y = step.transform_target(y, learned)
        return found

    def transform_target(self, y: Array, statistics: Statistics) -> Array:
        for name, step in self.steps.items():
            y = step.transform_target(y, of(name, statistics))
        return y

    def remarks(self, statistics: Statistics) -> list[str]:
        every = {name: step.remarks(of(name, statistics)) for name, step in self.steps.items()}
        return [f"{name}: {remark}" for name, remarks in every.items() for remark in remarks]


@dataclass(frozen=True)
class Mapped:
    """Blocks as a step leaves them, mapped anew each time that they are gone through."""

    blocks: Blocks
    step: Preprocess
    statistics: Statistics

    def __iter__(self) -> Iterator[Array]:
        return (self.step.transform(x, self.statistics) for x in self.blocks)


def named(step: str, statistics: Statistics) -> Statistics:
    """The statistics of a step under names that tell whose they are.

    >>> list(named("first", {"mean": 0}))
    ['first.mean']
    """
    return {f"{step}.{name}": value for name, value in statistics.items()}


def of(step: str, statistics: Statistics) -> Statistics:
    """The statistics of one step under their own names."""
    head = f"{step}."
    return {name.removeprefix(head): value for name, value in statistics.items() if name.startswith(head)}
