from __future__ import annotations

import zipfile
from dataclasses import dataclass
from typing import BinaryIO, Literal, cast, final

import numpy as np

from runner.core.check import Count
from runner.core.errors import OptrunError, did_you_mean
from runner.dataset.arrays import NUMBERS, absolute, as_numbers, npy_header, opened, refused, table, within
from runner.dataset.base import Array, Divided, Table


@final
@dataclass(frozen=True, kw_only=True)
class Npz(Divided):
    """Read a file of your own with two arrays in it, inputs and targets, as np.savez writes it.

        x [N, ...] the array called x,  y [N] the array called y

    Images are [N, channels, height, width].

    path: the file; relative to the current folder, and recorded in full
    x: name of the array of inputs
    y: name of the array of targets
    targets: what the targets are, classes (integers, booleans or texts) or numbers
    memory_mb: the largest size of an array; a larger one is refused before it is unpacked

    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/data.npz"
    >>> np.savez_compressed(path, x=np.arange(8.0).reshape(4, 2), y=np.array(["a", "a", "b", "b"]))
    >>> Npz(path=path).load().classes
    ('a', 'b')

    Source: numpy's format description (numpy.lib.format).
    Here: no pickle is ever loaded, so arrays of objects are refused.
    """

    path: str = "???"
    x: str = "x"
    y: str = "y"
    targets: Literal["classes", "numbers"] = "classes"
    memory_mb: Count = 1024

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", absolute("path", self.path, "an npz"))
        super().__post_init__()

    @property
    def files(self) -> tuple[str, str]:
        return self.path, self.path

    def load(self) -> Table:
        with opened(self.path, "dataset.path") as file:
            try:
                with zipfile.ZipFile(file) as archive:
                    x, y = (self._array(archive, key, name) for key, name in (("x", self.x), ("y", self.y)))
            except OptrunError:
                raise
            except Exception as error:  # zipfile raises what it likes at bytes that nobody wrote
                do = "save it anew with np.savez(FILE, x=..., y=...)"
                raise refused(self.path, f": {error}", "an archive of arrays in the npz format", do) from None
        if x.dtype.kind not in NUMBERS:
            raise refused(self.path, f", array {self.x}: type {x.dtype}", "numbers", "save the inputs as numbers")
        return table(as_numbers(self.path, x), y, self.targets == "numbers", self.path, self.path)

    def _array(self, archive: zipfile.ZipFile, key: str, name: str) -> Array:
        names = {member.removesuffix(".npy"): member for member in archive.namelist()}
        if name not in names:
            listed = ", ".join([*names][:20]) or "none"
            do = f"{did_you_mean(name, [*names])}give dataset.{key}=NAME"
            raise refused(self.path, f", array {name}", f"an array that is in the file: {listed}", do)
        member = archive.getinfo(names[name])
        within(self.path, member.file_size, self.memory_mb)
        with archive.open(member) as stream:
            header = npy_header(cast(BinaryIO, stream), f"{self.path}, array {name}", member.file_size)
            data = stream.read(header.nbytes + 1)  # one more than there should be: zipfile then checks the CRC
        if len(data) != header.nbytes:
            raise refused(self.path, f", array {name}: {len(data)} bytes", f"{header.nbytes} bytes", "save it anew")
        return np.frombuffer(data, header.dtype).reshape(header.shape)
