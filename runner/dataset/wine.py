from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from runner.dataset.base import Divided, Table
from runner.dataset.bundled import lines


@final
@dataclass(frozen=True, kw_only=True)
class Wine(Divided):
    """Tell three growers by their wine: 178 bottles, 13 chemical measurements, 3 classes.

        x [178, 13] in different units (0.1 to 1700),  y in 0 .. 2

    >>> Wine().load().columns[:2]
    ('alcohol', 'malic_acid')

    Source: Forina et al. 1988, UCI "Wine", as bundled with scikit-learn.
    """

    def load(self) -> Table:
        text = lines("wine_data.csv")
        classes = tuple(text.readline().strip().split(",")[2:])
        data = np.loadtxt(text, delimiter=",")
        return Table(data[:, :-1], data[:, -1].astype(np.int64), classes, COLUMNS)


COLUMNS = (
    *("alcohol", "malic_acid", "ash", "alcalinity_of_ash", "magnesium", "total_phenols", "flavanoids"),
    *("nonflavanoid_phenols", "proanthocyanins", "color_intensity", "hue", "od280/od315_of_diluted_wines", "proline"),
)
