from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from runner.dataset.base import Divided, Table
from runner.dataset.bundled import lines


@final
@dataclass(frozen=True, kw_only=True)
class Iris(Divided):
    """Tell three kinds of iris by their flowers: 150 plants, 4 lengths in centimetres, 3 classes.

        x [150, 4],  y: 0 setosa, 1 versicolor, 2 virginica

    The first class lies apart, the other two overlap.

    >>> Iris().load().classes
    ('setosa', 'versicolor', 'virginica')

    Source: Fisher 1936, "The use of multiple measurements in taxonomic problems", as bundled with scikit-learn.
    """

    def load(self) -> Table:
        text = lines("iris.csv")
        classes = tuple(text.readline().strip().split(",")[2:])
        data = np.loadtxt(text, delimiter=",")
        columns = tuple(f"{part} {side} (cm)" for part in ("sepal", "petal") for side in ("length", "width"))
        return Table(data[:, :-1], data[:, -1].astype(np.int64), classes, columns)
