from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from runner.dataset.base import Published, Table
from runner.dataset.like_mnist import four_files


@final
@dataclass(frozen=True, kw_only=True)
class Mnist(Published):
    """Recognize handwritten digits: 70,000 grey images of 28x28 pixels in 10 classes, fetched once.

        x [70000, 1, 28, 28] in 0 .. 255,  y in 0 .. 9;  the last 10,000 are for the test

    The four files (11 to 31 MB together) are fetched at first use and kept; offline, put them into the folder by hand.

    >>> sorted(Mnist().md5)[0]
    't10k-images-idx3-ubyte.gz'

    Source: LeCun, Bottou, Bengio & Haffner 1998, "Gradient-based learning applied to document recognition"; files and
    hashes as in torchvision.datasets.MNIST.
    Here: files are checked against the md5 that their publishers name.
    """

    md5: ClassVar[dict[str, str]] = {
        "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    }

    url: str = "https://ossci-datasets.s3.amazonaws.com/mnist"

    def load(self) -> Table:
        return four_files(self, "mnist")
