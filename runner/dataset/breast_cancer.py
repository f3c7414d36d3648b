from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from runner.dataset.base import Divided, Table
from runner.dataset.bundled import lines


@final
@dataclass(frozen=True, kw_only=True)
class BreastCancer(Divided):
    """Tell malignant from benign tumours: 569 patients, 30 measurements of cell nuclei, 2 classes.

        x [569, 30] in very different units (0.001 to 4000),  y: 0 malignant, 1 benign

    >>> BreastCancer().load().x.shape
    (569, 30)

    Source: Wolberg, Street & Mangasarian 1995, UCI "Breast Cancer Wisconsin (Diagnostic)", as bundled with
    scikit-learn.
    """

    def load(self) -> Table:
        text = lines("breast_cancer.csv")
        classes = tuple(text.readline().strip().split(",")[2:])
        data = np.loadtxt(text, delimiter=",")
        columns = [kind.format(name) for kind in ("mean {}", "{} error", "worst {}") for name in NUCLEUS]
        return Table(data[:, :-1], data[:, -1].astype(np.int64), classes, tuple(columns))


NUCLEUS = (
    *("radius", "texture", "perimeter", "area", "smoothness"),
    *("compactness", "concavity", "concave points", "symmetry", "fractal dimension"),
)
