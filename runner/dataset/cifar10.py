from __future__ import annotations

import tarfile
import zlib
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from runner.dataset.arrays import refused
from runner.dataset.base import Array, Compact, Published, Table
from runner.dataset.download import files


@final
@dataclass(frozen=True, kw_only=True)
class Cifar10(Published):
    """Recognize animals and vehicles: 60,000 colour images of 32x32 pixels in 10 classes, fetched once.

        x [60000, 3, 32, 32] in 0 .. 255,  y in 0 .. 9;  the last 10,000 are for the test

    The archive (170 MB) is fetched at first use and kept; offline, put it into the folder by hand.

    >>> list(Cifar10().md5)
    ['cifar-10-binary.tar.gz']

    Source: Krizhevsky 2009, "Learning multiple layers of features from tiny images"; the binary version,
    whose page names the md5.
    Here: the version for Python is made of pickles, which could run any code; the binary one is bytes, a class and 3072
    pixels for each image, and is read from the archive without unpacking it to the disk.
    """

    md5: ClassVar[dict[str, str]] = {"cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530"}
    per_file: ClassVar[int] = 10_000

    url: str = "https://www.cs.toronto.edu/~kriz"

    def load(self) -> Table:
        (path,) = files(self, "cifar10").values()
        do = "remove it and fetch it again"
        try:
            with tarfile.open(path, "r:gz") as archive:
                records = np.concatenate([self._batch(archive, name, str(path)) for name in BATCHES])
        except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
            raise refused(str(path), f": {error}", "a whole tar.gz archive", do) from None
        y = records[:, 0].astype(np.int64)
        if y.max() >= len(CLASSES):
            raise refused(str(path), f": class {y.max()}", "classes 0 to 9", do)
        return Table(Compact(records[:, 1:].reshape(-1, 3, 32, 32)), y, CLASSES)

    def _batch(self, archive: tarfile.TarFile, name: str, path: str) -> Array:
        wanted = self.per_file * RECORD
        member = next((one for one in archive.getmembers() if one.name == f"cifar-10-batches-bin/{name}"), None)
        file = archive.extractfile(member) if member is not None and member.size == wanted else None
        if file is None:
            found = "is missing" if member is None else f"has {member.size} bytes"
            raise refused(path, f": {name} {found}", f"{name} of {wanted} bytes", "remove it and fetch it again")
        return np.frombuffer(file.read(wanted), np.uint8).reshape(-1, RECORD)


RECORD = 1 + 3 * 32 * 32
BATCHES = (*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin")
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
