"""The four files of MNIST and of what was published in its form."""

from __future__ import annotations

import numpy as np

from runner.dataset.arrays import table
from runner.dataset.base import Compact, Published, Table
from runner.dataset.download import files
from runner.dataset.idx_format import read_idx

LARGEST_MB = 100  # an array of a file; that of the training images has 47


def four_files(made: Published, name: str) -> Table:
    """Images and labels for training, then those for the test, fetched into the folder of that name."""
    found = files(made, name)
    parts = [f"{part}-{kind}" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
    paths = [str(found[f"{part}-ubyte.gz"]) for part in parts]
    x, y, x_test, y_test = (read_idx(path, "dataset.folder", LARGEST_MB) for path in paths)
    images = Compact(np.concatenate([x, x_test])[:, None])
    return table(images, np.concatenate([y, y_test]), False, paths[0], paths[1])
