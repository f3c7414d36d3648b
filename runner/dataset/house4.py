from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from runner.dataset.base import Table, Whole


@final
@dataclass(frozen=True, kw_only=True)
class House4(Whole):
    """Predict the price of a house: the four rows of the lecture, 4 measurements, the target is a number.

        x [4, 4] size (feet), bedrooms, floors, age (years),  y [4] price (1000 dollars)

    X^T X / 4 has condition number 1.4e9, so that gradient descent is slow. Four rows for four weights and an offset:
    once centred, X has rank 3, and many models fit exactly.

    >>> House4().load().x[0].tolist()
    [2104.0, 5.0, 1.0, 45.0]

    Source: Su, "preprocessing", the table of houses.
    Here: all four rows are trained on and judged on, and there is no test part.
    """

    def load(self) -> Table:
        data = np.array(HOUSES, np.float64)
        return Table(data[:, :-1].copy(), data[:, -1].copy(), None, ("size", "bedrooms", "floors", "age"))


HOUSES = ((2104, 5, 1, 45, 460), (1416, 3, 2, 40, 232), (1534, 3, 2, 30, 315), (852, 2, 1, 36, 178))
