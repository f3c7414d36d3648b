from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

from runner.core.check import Count
from runner.dataset.arrays import absolute, table
from runner.dataset.base import Compact, Divided, Table
from runner.dataset.idx_format import read_idx


@final
@dataclass(frozen=True, kw_only=True)
class Idx(Divided):
    """Read two files in the format of MNIST, inputs and targets, plain or gzipped.

        x [N, 1, height, width] for images, [N, d] for rows,  y [N] in the order of the images

    A file holds one array of numbers, whose sizes its header tells; there is nothing else in it.

    path: the inputs, as in t10k-images-idx3-ubyte.gz; relative to the current folder, and recorded in full
    target: the targets, as in t10k-labels-idx1-ubyte.gz
    targets: what the targets are, classes or numbers
    memory_mb: the largest size of an array in its file's type; a larger one is refused before it is unpacked

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> for name, data in (("x", [0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 1, 10, 20]), ("y", [0, 0, 8, 1, 0, 0, 0, 2, 7, 8])):
    ...     with open(f"{folder}/{name}", "wb") as file:
    ...         _ = file.write(bytes(data))
    >>> made = Idx(path=folder + "/x", target=folder + "/y").load()
    >>> made.x.source.tolist(), made.classes
    ([[10], [20]], ('7', '8'))

    Source: LeCun, Cortes & Burges, "The MNIST database of handwritten digits", section on file formats.
    """

    path: str = "???"
    target: str = "???"
    targets: Literal["classes", "numbers"] = "classes"
    memory_mb: Count = 1024

    def __post_init__(self) -> None:
        for key in ("path", "target"):
            object.__setattr__(self, key, absolute(key, getattr(self, key), "an idx"))
        super().__post_init__()

    @property
    def files(self) -> tuple[str, str]:
        return self.path, self.target

    def load(self) -> Table:
        x = read_idx(self.path, "dataset.path", self.memory_mb)
        y = read_idx(self.target, "dataset.target", self.memory_mb)
        if x.ndim == 3:
            x = x[:, None]
        return table(Compact(x), y, self.targets == "numbers", self.path, self.target)
