"""Arrays in files of the user's: what is common to npy, npz and idx.

A file says in its header how large its array is. Nothing is taken at its word: the bytes that follow must be exactly
as many, and what shall lie in memory must fit the limit, before room is made for it. Nothing is ever unpickled.
"""

from __future__ import annotations

import math
import os
import stat
import sys
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from tokenize import TokenError
from typing import Any, BinaryIO

import numpy as np

from runner.core.errors import ConfigError, DataError, did_you_mean
from runner.dataset.base import Array, Rows, Table

MB = 1 << 20
NUMBERS = "biuf"  # the kinds of numpy dtypes that are numbers
ILL_FORMED = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, EOFError)
DIMENSIONS = 32  # of an array at most: numpy 2 takes 64, and numpy 1 half of them


def absolute(key: str, path: Any, kind: str) -> str:
    """The name of a file in full; `ConfigError` where none was given."""
    if not isinstance(path, str) or path in ("", "???"):
        raise ConfigError(key, path, allowed=f"the name of {kind} file", do=f"give {key}=FILE")
    return os.path.abspath(os.path.expanduser(path))


def refused(path: str, place: str, allowed: str, do: str) -> DataError:
    return DataError("", path + place, allowed=allowed, do=do)


def opened(path: str, key: str) -> BinaryIO:
    """A regular file, for reading; `DataError` where there is none."""
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):
            what = "a folder" if stat.S_ISDIR(mode) else "a device or a pipe"
            raise refused(path, "", f"a file; this is {what}", f"give {key}=FILE")
        return open(path, "rb")
    except FileNotFoundError:
        folder, name = os.path.split(path)
        beside = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        do = f"{did_you_mean(name, beside)}give {key}=FILE"
        if not os.path.isdir(folder):
            do = f"there is no folder {folder}; {do}"
        raise refused(path, "", "a file that exists", do) from None
    except ValueError as error:
        raise refused(path, "", f"the name of a file: {error}", f"give {key}=FILE") from None
    except OSError as error:
        raise refused(path, "", f"a file that can be read: {error.strerror}", "check the file") from None


def within(path: str, nbytes: int, limit_mb: int) -> None:
    """Refuse an array that is too large for the memory that it may take."""
    if nbytes > limit_mb * MB:
        raise refused(
            path,
            f": an array of {-(-nbytes // MB)} MB",
            f"at most {limit_mb} MB in memory",
            "give a larger dataset.memory_mb, or inputs as a .npy file, which can stay on disk (dataset=npy)",
        )


def room(shape: Iterable[int], itemsize: int) -> int:
    """The bytes of an array as numpy reckons them before it makes one: it leaves out what is 0, and may still refuse.

    >>> room((3, 0, 5), 8)
    120
    """
    return math.prod(n for n in shape if n) * itemsize  # Python integers, which do not overflow


def as_numbers(path: str, source: Array) -> Array:
    """Numbers as float64; refuses integers that it does not hold."""
    values = source.astype(np.float64)
    if source.dtype.kind in "iu" and source.dtype.itemsize == 8 and np.abs(values).max(initial=0) >= 2.0**53:
        raise refused(
            path,
            ": integers of 2^53 and more",
            "integers that float64 holds exactly",
            "remove them if they are identifiers",
        )
    return values


def table(x: Array | Rows, y: Array, numbers: bool, inputs: str, targets: str, resident: bool = True) -> Table:
    """The table of inputs `x [N, ...]` and targets `y [N]`, from the files of these names."""
    if len(x.shape) < 2 or 0 in x.shape:
        do = "save an array with a row for each example"
        raise refused(inputs, f": inputs of shape {list(x.shape)}", "[N, columns] or [N, channels, height, width]", do)
    if y.shape not in ((len(x),), (len(x), 1)):
        raise refused(
            targets, f": targets of shape {list(y.shape)}", f"one for each of the {len(x)} inputs", "save an array [N]"
        )
    y = y.reshape(-1)
    if (y == y[0]).all():
        do = "give other targets"
        raise refused(targets, f": one value in all {len(y)} rows", "targets with two different values or more", do)
    columns = tuple(str(j) for j in range(x.shape[1])) if len(x.shape) == 2 else None
    if numbers:
        if y.dtype.kind not in NUMBERS:
            raise refused(targets, f": targets of type {y.dtype}", "numbers", "give dataset.targets=classes for texts")
        return Table(x, as_numbers(targets, y), None, columns, resident)
    if y.dtype.kind not in "biuU":
        do = "give dataset.targets=numbers if the target is a number, or save integers"
        raise refused(targets, f": targets of type {y.dtype}", "classes as integers, booleans or texts", do)
    classes, y = np.unique(y, return_inverse=True)
    if len(classes) > 2 and 3 * len(classes) > len(y):
        do = "give dataset.targets=numbers, or other targets"
        raise refused(
            targets,
            f": {len(classes)} different values in {len(y)} rows",
            "classes with three rows or more on average",
            do,
        )
    return Table(x, y.astype(np.int64), tuple(str(name) for name in classes.tolist()), columns, resident)


@dataclass(frozen=True)
class NpyHeader:
    """What the header of an npy file says; the array begins at `offset`."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int

    @property
    def nbytes(self) -> int:
        size = self.dtype.itemsize
        for n in self.shape:
            size *= n  # a Python integer, which does not overflow
        return size


def npy_header(file: BinaryIO, path: str, length: int) -> NpyHeader:
    """The header of an npy file of `length` bytes; refuses what is not one plain array of just that size."""
    do = "save it anew with np.save(FILE, np.ascontiguousarray(ARRAY)), without pickle"
    try:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy warns of headers as Python 2 wrote them, and reads them well
            shape, fortran, dtype = read(file)
    except (*ILL_FORMED, SyntaxError, TokenError, RecursionError, MemoryError) as error:
        # numpy reads a header as Python, tries a tokenizer where that fails, and lets both complain as they like
        raise refused(path, f": {error}", "a file in the npy format, version 1 or 2", do) from None
    if dtype.kind not in NUMBERS + "U" or not dtype.itemsize:
        raise refused(path, f": an array of type {dtype}", "numbers, or texts for classes", do)
    if dtype.itemsize == 16:
        raise refused(path, f": an array of type {dtype}", "numbers of at most 8 bytes", do)
    if fortran and len(shape) > 1:
        raise refused(path, ": columns one after the other (Fortran order)", "rows one after the other", do)
    header = NpyHeader(shape, dtype, file.tell())
    if min(shape, default=0) < 0 or header.offset + header.nbytes != length:
        raise refused(
            path,
            f": {length - header.offset} bytes for an array {list(shape)} of {dtype}",
            f"{header.nbytes} bytes, no less and no more",
            "the file is incomplete, or something else was appended: save it anew",
        )
    if len(shape) > DIMENSIONS or room(shape, dtype.itemsize) > sys.maxsize:
        allowed = f"at most {DIMENSIONS} dimensions, each of 1 or more"
        raise refused(path, f": an array {list(shape)} of {dtype}", allowed, do)
    return header
