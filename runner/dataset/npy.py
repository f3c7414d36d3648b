from __future__ import annotations

import os
import weakref
from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from runner.core.check import Count
from runner.dataset.arrays import (
    MB,
    NUMBERS,
    NpyHeader,
    absolute,
    as_numbers,
    npy_header,
    opened,
    refused,
    table,
    within,
)
from runner.dataset.base import Array, Divided, Rows, Table


@final
@dataclass(frozen=True, kw_only=True)
class Npy(Divided):
    """Read two files of your own, inputs and targets, larger than memory if need be.

        x [N, ...] the array in path,  y [N] the array in target

    Images are [N, channels, height, width]. Inputs that would take more than memory_mb as float64 stay on disk: each
    batch is read when its turn comes, and the program takes about 100 MB more than for a small data set, however large
    the file is. Before training, the whole file is read four times: for values that are not finite, for its hash, and
    twice for the statistics of the preprocessing.

    path: the inputs, as np.save writes them; relative to the current folder, and recorded in full
    target: the targets, in the same form
    targets: what the targets are, classes (integers, booleans or texts) or numbers
    memory_mb: inputs up to this size are kept in memory

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> np.save(folder + "/x.npy", np.arange(8.0).reshape(4, 2)); np.save(folder + "/y.npy", np.array([1, 1, 2, 2]))
    >>> Npy(path=folder + "/x.npy", target=folder + "/y.npy").load().classes
    ('1', '2')

    Source: numpy's format description (numpy.lib.format), versions 1 and 2.
    Here: no pickle is ever loaded, so arrays of objects are refused, as are files that are longer or shorter than their
    header says. Rows are read, not mapped: a mapped file that is cut short while it is used kills the program, and the
    pages of a mapped file count as its memory.
    """

    path: str = "???"
    target: str = "???"
    targets: Literal["classes", "numbers"] = "classes"
    memory_mb: Count = 1024

    def __post_init__(self) -> None:
        for key in ("path", "target"):
            object.__setattr__(self, key, absolute(key, getattr(self, key), "an npy"))
        super().__post_init__()

    @property
    def files(self) -> tuple[str, str]:
        return self.path, self.target

    def load(self) -> Table:
        with opened(self.path, "dataset.path") as file:
            header = npy_header(file, self.path, os.fstat(file.fileno()).st_size)
            x = Stored(os.dup(file.fileno()), self.path, header)
        if header.dtype.kind not in NUMBERS:
            raise refused(self.path, f": an array of type {header.dtype}", "numbers", "save the inputs as numbers")
        with opened(self.target, "dataset.target") as beside:
            about = npy_header(beside, self.target, os.fstat(beside.fileno()).st_size)
            within(self.target, about.nbytes, self.memory_mb)
            y = np.frombuffer(beside.read(), about.dtype).reshape(about.shape)
        small = 8 * header.nbytes // header.dtype.itemsize <= self.memory_mb * MB
        inputs = x[np.arange(len(x))] if small and header.shape else x
        return table(inputs, y, self.targets == "numbers", self.path, self.target, resident=small)


class Stored(Rows):
    """The rows of an npy file, read when they are asked for; rows that follow each other are read at once."""

    def __init__(self, file: int, path: str, header: NpyHeader) -> None:
        self.file, self.path, self.header, self.shape = file, path, header, header.shape
        weakref.finalize(self, os.close, file)

    def __getitem__(self, rows: Array) -> Array:
        order = np.argsort(rows, kind="stable")
        wanted = rows[order]
        found = np.empty((len(rows), *self.shape[1:]), self.header.dtype)
        if found.size:
            self._fill(found, wanted)
        values = as_numbers(self.path, found)
        if np.array_equal(order, np.arange(len(rows))):
            return values
        back = np.empty_like(order)
        back[order] = np.arange(len(rows))
        return values[back]

    def _fill(self, found: Array, rows: Array) -> None:
        """Read `rows`, which are in order, into `found`."""
        view = found.reshape(len(rows), -1).view(np.uint8).data.cast("B")
        length = len(view) // len(rows)
        starts = np.flatnonzero(np.diff(rows, prepend=rows[0] - 2) != 1)
        for first, last in zip(starts, [*starts[1:], len(rows)], strict=True):
            place, piece = self.header.offset + int(rows[first]) * length, view[first * length : last * length]
            while piece:
                count = os.preadv(self.file, [piece], place)
                if count == 0:
                    raise refused(self.path, ": it was cut short", "a file that stays as it is", "start a new run")
                place, piece = place + count, piece[count:]
