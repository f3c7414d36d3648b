"""Small files of the form of those that are published, by the choice that reads them."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile

import numpy as np

from runner.dataset import cifar10


def idx(array: np.ndarray) -> bytes:  # type: ignore[type-arg]
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(head + array.astype(np.uint8).tobytes(), mtime=0)


def like_mnist() -> dict[str, bytes]:
    """40 images for training and 10 for the test."""
    rng = np.random.default_rng(0)
    found = {}
    for part, n in (("train", 40), ("t10k", 10)):
        found[f"{part}-images-idx3-ubyte.gz"] = idx(rng.integers(0, 256, (n, 28, 28)))
        found[f"{part}-labels-idx1-ubyte.gz"] = idx(np.arange(n) % 10)
    return found


def archive(batches: dict[str, bytes]) -> dict[str, bytes]:
    """The archive of CIFAR-10 with these batches."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as made:
        for name, data in batches.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(data)
            made.addfile(member, io.BytesIO(data))
    return {"cifar-10-binary.tar.gz": file.getvalue()}


def batches(n: int = 10) -> dict[str, bytes]:
    """Six batches of n images; the pixels of image i of batch k are all k + i."""
    return {
        name: b"".join(bytes([i % 10]) + bytes([k + i]) * 3072 for i in range(n))
        for k, name in enumerate(cifar10.BATCHES)
    }


def like_cifar10() -> dict[str, bytes]:
    """Six batches of ten images; `Cifar10.per_file` has to be as many."""
    return archive(batches())


SMALL = {"mnist": like_mnist, "fashion_mnist": like_mnist, "cifar10": like_cifar10}
