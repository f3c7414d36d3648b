"""Data sets: examples with their targets, and how they are divided.

What varies is where the examples come from and what their targets are: classes, numbered 0, 1, ..., or numbers.
What is fixed is the division, drawn once from `split_seed` and not from the run's seed, so that every run of a
comparison sees the same three parts, and neither are made-up examples, which are drawn from `data_seed`:

    train       the parameters and the statistics of the preprocessing are fitted on it
    validation  decides: early stopping, the best epoch, the ranking of a sweep
    test        touched once, at the end of a run, and reported in `summary.json` alone

With classes the division is stratified: each class is divided in the same proportion, by largest remainder.
The tables of a lecture with three or four rows are not divided: they are trained on and judged on as a whole, which
the run says in a remark.
"""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import numpy as np

from runner.core.check import MANY, Choice, Index, Range
from runner.core.errors import ConfigError

Array = np.ndarray[Any, Any]
BLOCK_BYTES = 1 << 24  # of float64 at a time; a pass over the rows holds about five such arrays
Part = Annotated[float, Range(least=0, below=1)]
Examples = Annotated[int, Range(least=2, most=MANY)]  # how many to make up


class Rows(ABC):
    """Inputs `[N, ...]` that are not in memory as float64: rows become so when they are asked for.

    shape  (N, ...)
    """

    shape: tuple[int, ...]
    dtype = np.dtype(np.float64)  # of what is handed out, whatever the source holds

    @abstractmethod
    def __getitem__(self, rows: Array) -> Array:
        """The inputs of these row numbers `[n]`, as float64 `[n, ...]`."""

    def __len__(self) -> int:
        return self.shape[0]


@dataclass(frozen=True)
class Compact(Rows):
    """Inputs kept in memory in the type of their source, a byte for each pixel say."""

    source: Array

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return tuple(self.source.shape)

    def __getitem__(self, rows: Array) -> Array:
        return self.source[rows].astype(np.float64)


@dataclass(frozen=True)
class Blocks:
    """Chosen rows of a table, `size` at a time; can be gone through more than once."""

    x: Array | Rows
    rows: Array
    size: int

    def __iter__(self) -> Iterator[Array]:
        return (self.x[self.rows[at : at + self.size]] for at in range(0, max(1, len(self.rows)), self.size))


@dataclass(frozen=True)
class Table:
    """All examples of a data set, undivided.

    x        [N, ...] float64, in the order of the source
    y        [N] int64 classes 0 .. len(classes) - 1, or [N] float64 numbers
    classes  the name of each class; None for numbers; () where there is nothing to predict, and y is the row's number
    columns  the name of each input column, or None for images
    resident whether the parts are to be put into memory; otherwise every batch is read when its turn comes
    """

    x: Array | Rows
    y: Array
    classes: tuple[str, ...] | None
    columns: tuple[str, ...] | None = None
    resident: bool = True

    @property
    def block(self) -> int:
        """How many rows to take at a time: all of an array, else as many as have BLOCK_BYTES as float64."""
        if isinstance(self.x, Rows):
            return max(1, BLOCK_BYTES // (8 * max(1, math.prod(self.x.shape[1:]))))
        return len(self.x)

    def blocks(self, rows: Array | None = None) -> Blocks:
        """The inputs of these rows (None: of all), in blocks."""
        return Blocks(self.x, np.arange(len(self.y)) if rows is None else rows, self.block)

    @property
    def sha256(self) -> str:
        """SHA-256 over shapes, dtypes and values: the data that a run was trained on, whatever its file was."""
        digest = hashlib.sha256()
        for array, blocks in ((self.x, self.blocks()), (self.y, (self.y,))):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            for block in blocks:
                digest.update(np.ascontiguousarray(block).data)
        return digest.hexdigest()


@dataclass(frozen=True)
class Split:
    """Row numbers of the three parts, sorted; of a data set that is divided disjoint and together all rows."""

    train: Array
    validation: Array
    test: Array


@dataclass(frozen=True, kw_only=True)
class Dataset(Choice, ABC):
    """Where examples come from, and how they are divided."""

    empty: ClassVar[bool] = False  # brings no examples: the loss alone says what is trained

    @abstractmethod
    def load(self) -> Table:
        """Read or make all examples."""

    @abstractmethod
    def split(self, table: Table) -> Split:
        """The rows of the three parts."""

    @property
    def files(self) -> tuple[str, str]:
        """The files that hold the inputs and the targets; nothing where they do not come from files of the user's."""
        return "", ""

    def remarks(self, table: Table) -> list[str]:
        """What the user should know of these examples, one sentence each."""
        return []


@dataclass(frozen=True, kw_only=True)
class Divided(Dataset):
    """Examples of which some are kept from the training, to judge it.

    validation, test: share of the examples in each of these parts
    split_seed: draws the division; it is not the run's seed
    """

    validation: Part = 0.15
    test: Part = 0.15
    split_seed: Index = 0

    def split(self, table: Table) -> Split:
        """Divide the rows; raises `ConfigError` where a part that was asked for would be empty."""
        return split(table, self.validation, self.test, self.split_seed)


@dataclass(frozen=True, kw_only=True)
class Published(Dataset):
    """A data set that is fetched once and kept; its last examples are for the test, as its authors say.

    validation: share of the other examples that is not trained on
    split_seed: draws the division of these; it is not the run's seed
    url: the folder on a server that the files are fetched from
    folder: where the files are kept, or null: optrun/NAME in the cache folder of the user (XDG_CACHE_HOME)
    """

    md5: ClassVar[dict[str, str]] = {}  # file -> its published hash
    tests: ClassVar[int] = 10_000

    validation: Part = 0.1
    split_seed: Index = 0
    url: str = "???"
    folder: str | None = None

    def split(self, table: Table) -> Split:
        """The last rows for the test, the others divided."""
        n = len(table.y) - self.tests
        others = split(replace(table, y=table.y[:n]), self.validation, 0.0, self.split_seed)
        return replace(others, test=np.arange(n, len(table.y)))


@dataclass(frozen=True, kw_only=True)
class Whole(Dataset):
    """Too few examples to keep any from the training."""

    def split(self, table: Table) -> Split:
        """All rows for training and again for validation, none for the test."""
        rows = np.arange(len(table.y))
        return Split(rows, rows, rows[:0])

    def remarks(self, table: Table) -> list[str]:
        return [f"all {len(table.y)} rows are trained on and judged on: val_ numbers say nothing about new examples"]


def numbers(seed: int) -> np.random.Generator:
    """The random numbers that examples are made from."""
    return np.random.Generator(np.random.Philox(seed))


def no_more_than(examples: int, name: str, given: int) -> None:
    """Refuse more classes, or more columns, than there are examples to fill them."""
    if given > examples:
        allowed = f"a whole number up to examples, which is {examples}"
        raise ConfigError(name, given, allowed=allowed, do=f"give a smaller {name}=... or more examples")


def split(table: Table, validation: float, test: float, seed: int) -> Split:
    """Divide N rows into train, validation and test.

    Each class (all rows at once for numbers) is shuffled and cut at its own proportion. The rounding is by largest
    remainder, so that a part has round(share * N) rows and no class is off by more than one row in it. Training comes
    first where rows are scarce: every class keeps one there, and what the others lack is taken from larger classes.
    """
    if validation + test >= 1:
        raise ConfigError(
            "dataset.validation",
            validation,
            allowed=f"validation + test < 1, since the rest is for training; test is {test}",
            do="give a smaller dataset.validation=... or dataset.test=...",
        )
    rng = numbers(seed)
    n = len(table.y)
    groups = [np.arange(n)] if table.classes is None else [np.flatnonzero(table.y == c) for c in np.unique(table.y)]
    sizes = np.array([len(group) for group in groups])
    n_test = apportion(sizes * test, round(n * test), sizes - 1)
    n_validation = apportion(sizes * validation, round(n * validation), sizes - 1 - n_test)
    parts: tuple[list[Array], list[Array], list[Array]] = ([], [], [])
    for group, k_test, k_validation in zip(groups, n_test, n_validation, strict=True):
        order = rng.permutation(group)
        parts[2].append(order[:k_test])
        parts[1].append(order[k_test : k_test + k_validation])
        parts[0].append(order[k_test + k_validation :])
    train, val, tst = (np.sort(np.concatenate(part)) for part in parts)
    for name, share, rows in (("validation", validation, val), ("test", test, tst)):
        if share > 0 and len(rows) == 0:
            raise ConfigError(
                f"dataset.{name}",
                share,
                allowed=f"0, or at least one row in the part; it would have none of the {n} rows",
                do="give a larger share or more data",
            )
    return Split(train, val, tst)


def apportion(quotas: Array, total: int, room: Array) -> Array:
    """Whole numbers near `quotas [G]` that add up to `total`: floors, then one more for the largest remainders.

    None exceeds its `room [G]`; the sum falls short of `total` only where all rooms are full.

    >>> apportion(np.array([1.4, 1.4, 0.2]), 3, room=np.array([9, 9, 9])).tolist()
    [2, 1, 0]
    >>> apportion(np.array([1.4, 1.4, 0.2]), 3, room=np.array([1, 9, 9])).tolist()
    [1, 2, 0]
    """
    counts = np.minimum(np.floor(quotas).astype(np.int64), room)
    while (short := total - int(counts.sum())) > 0 and (counts < room).any():
        by_remainder = np.argsort(counts - quotas, kind="stable")
        counts[by_remainder[(counts < room)[by_remainder]][:short]] += 1
    return counts
