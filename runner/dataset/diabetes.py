from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from runner.dataset.base import Divided, Table
from runner.dataset.bundled import lines


@final
@dataclass(frozen=True, kw_only=True)
class Diabetes(Divided):
    """Predict the progress of diabetes: 442 patients, 10 measurements, the target is a number.

        x [442, 10] in the original units,  y [442] progression after one year, 25 to 346

    >>> Diabetes().load().columns[:3]
    ('age', 'sex', 'bmi')

    Source: Efron, Hastie, Johnstone & Tibshirani 2004, "Least Angle Regression", as bundled with scikit-learn
    (`scaled=False`).
    """

    def load(self) -> Table:
        x = np.loadtxt(lines("diabetes_data_raw.csv.gz"))
        y = np.loadtxt(lines("diabetes_target.csv.gz"))
        return Table(x, y, classes=None, columns=("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"))
