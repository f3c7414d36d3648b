from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, final

from runner.dataset.base import Published, Table
from runner.dataset.like_mnist import four_files


@final
@dataclass(frozen=True, kw_only=True)
class FashionMnist(Published):
    """Tell clothes apart: 70,000 grey images of 28x28 pixels in 10 classes, fetched once.

        x [70000, 1, 28, 28] in 0 .. 255,  y in 0 .. 9;  the last 10,000 are for the test

    The four files (11 to 31 MB together) are fetched at first use and kept; offline, put them into the folder by hand.

    >>> sorted(FashionMnist().md5)[0]
    't10k-images-idx3-ubyte.gz'

    Source: Xiao, Rasul & Vollgraf 2017 (arXiv 1708.07747), whose repository names the hashes.
    Here: files are checked against the md5 that their publishers name.
    """

    md5: ClassVar[dict[str, str]] = {
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    }

    url: str = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"

    def load(self) -> Table:
        return replace(four_files(self, "fashion_mnist"), classes=CLASSES)


CLASSES = ("T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
