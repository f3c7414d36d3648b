"""Preprocessing: one map of the inputs, fitted on the training part only and then applied to all parts.

What varies is the map. What is fixed: the fit sees training rows and nothing else, so that a changed test row changes
no number of the training; it may be handed the rows in blocks, where they are too many for the memory; the statistics
are plain arrays that are written beside the run, in `preprocess.npz`. A column that is constant in the training part
carries no information there, and dividing by its deviation (0, or rounding noise) would blow up the one validation row
where it differs: such columns are centred, left unscaled, and named.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from runner.core.check import Choice, NonNegative

Array = np.ndarray[Any, Any]
Statistics = dict[str, Array]
Blocks = Iterable[Array]  # consecutive rows [n, ...] of one part; can be gone through more than once

CONSTANT = 1e-12  # of the largest magnitude in a column: a smaller spread is the rounding of a constant


@dataclass(frozen=True)
class Preprocess(Choice, ABC):
    """A map x -> x~ with statistics from the training part."""

    @abstractmethod
    def learn(self, blocks: Blocks) -> Statistics:
        """What the map needs to know of the training inputs `[N, ...]`, which come in blocks, as named arrays."""

    @abstractmethod
    def transform(self, x: Array, statistics: Statistics) -> Array:
        """The mapped inputs, in the shape of `x [N, ...]`."""

    def fit(self, x: Array) -> Statistics:
        """`learn` of training inputs `x [N, ...]` in one block."""
        return self.learn((x,))

    def fit_target(self, y: Array) -> Statistics:
        """Likewise for targets that are numbers, `y [N]`; by default they stay as they are."""
        return {}

    def transform_target(self, y: Array, statistics: Statistics) -> Array:
        """The mapped targets, `[N]`."""
        return y

    def remarks(self, statistics: Statistics) -> list[str]:
        """What the user should know of the fit, one sentence each."""
        return []


def over(blocks: Blocks, of: Callable[[Array], Array], join: Callable[[Array, Array], Array]) -> Array:
    """`of` each block, joined from the first block to the last."""
    first, *others = map(of, blocks)
    for one in others:
        first = join(first, one)
    return first


def count(blocks: Blocks) -> int:
    """N, the rows of all blocks together."""
    return sum(map(len, blocks))


def unit(blocks: Blocks) -> tuple[Array, Array]:
    """(the largest magnitude of each column, a power of two near it).

    In units of a power of two, which is exact, the squares of 1e200 and of 1e-200 are neither inf nor 0.
    """
    largest = over(blocks, lambda x: np.abs(x).max(axis=0), np.maximum)
    return largest, np.exp2(np.frexp(largest)[1] - 1.0)


def moments(blocks: Blocks) -> Statistics:
    """Mean and standard deviation (divisor N) of each column; 1 for the deviation of a column that is constant."""
    n, (largest, one) = count(blocks), unit(blocks)
    mean = over(blocks, lambda x: (x / one).sum(axis=0), np.add) / n
    deviation = np.sqrt(over(blocks, lambda x: np.square(x / one - mean).sum(axis=0), np.add) / n) * one
    constant = deviation <= CONSTANT * largest
    return {"mean": mean * one, "deviation": np.where(constant, 1.0, deviation), "constant": constant}


def standardized(x: Array, statistics: Statistics) -> Array:
    """`x [N, ...]` in deviations from the mean."""
    return (x - statistics["mean"]) / statistics["deviation"]


def principal(blocks: Blocks, eps: float) -> Statistics:
    """Mean, principal axes `[d, d]` in rows, and the factor `[d]` to variance 1 along each, 0 where there is none.

    X - mean = Q R and R = U diag(s) axes, so that lambda_j = s_j^2 / N are the variances along the axes. R grows from
    block to block; unlike the eigenvalues of a covariance, its singular values keep small variances beside large ones.
    """
    statistics = moments(blocks)
    mean, moving = statistics["mean"].ravel(), ~statistics["constant"].ravel()
    n, d = count(blocks), mean.size
    r: Array = np.zeros((0, d))
    for x in blocks:
        r = np.asarray(np.linalg.qr(np.concatenate([r, (x.reshape(len(x), d) - mean) * moving]), mode="r"))
    _, found, axes = np.linalg.svd(r, full_matrices=True)
    s = np.zeros(d)
    s[: len(found)] = found
    flat = s <= max(n, d) * np.finfo(np.float64).eps * s.max(initial=0.0)  # the usual bound of a numerical rank
    deviation = np.hypot(s / np.sqrt(n), np.sqrt(eps))
    largest = np.abs(axes).argmax(axis=1)[:, None]
    axes *= np.where(np.take_along_axis(axes, largest, axis=1) < 0, -1.0, 1.0)  # an axis has no sign of its own
    axes[np.ix_(~flat, ~moving)] = 0.0  # not even rounding, which a later step of a chain could blow up
    factor = np.where(flat, 0.0, 1 / np.where(flat, 1.0, deviation))
    return {"mean": statistics["mean"], "axes": axes, "factor": factor, "flat": flat}


def along_axes(x: Array, statistics: Statistics) -> Array:
    """The coordinates of `x [N, ...]` along the principal axes, `[N, d]`, each scaled to variance 1."""
    centred = (x - statistics["mean"]).reshape(len(x), statistics["factor"].size)
    scaled: Array = (centred @ statistics["axes"].T) * statistics["factor"]
    return scaled


@dataclass(frozen=True)
class Whitening(Preprocess):
    """A map to inputs without correlation, from their principal axes.

    eps: added to every variance, in the squared unit of the inputs; damps directions of little variance
    target: standardize targets that are numbers, which is the same thing for one number
    """

    eps: NonNegative = 0.0
    target: bool = True

    def learn(self, blocks: Blocks) -> Statistics:
        return principal(blocks, self.eps)

    def fit_target(self, y: Array) -> Statistics:
        return moments((y[:, None],)) if self.target else {}

    def transform_target(self, y: Array, statistics: Statistics) -> Array:
        return standardized(y[:, None], statistics)[:, 0] if statistics else y

    def remarks(self, statistics: Statistics) -> list[str]:
        flat = int(statistics["flat"].sum())
        every = f"{flat} of {statistics['flat'].size} directions"
        return [f"{every} have no variance in training: set to 0"] if flat else []


def listed(marked: Array, what: str, outcome: str) -> list[str]:
    """A sentence that counts the marked columns and names the first ones; none where none is marked."""
    found = np.flatnonzero(marked)
    if not len(found):
        return []
    numbers = ", ".join(str(j) for j in found[:8]) + (", ..." if len(found) > 8 else "")
    return [f"{len(found)} of {marked.size} input columns ({numbers}) {what}: {outcome}"]
