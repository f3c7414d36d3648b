from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from runner.dataset.base import Table, Whole


@final
@dataclass(frozen=True, kw_only=True)
class RavineOffset(Whole):
    """Fit a plane through inputs far from 0: the three rows of the lecture, the target is a number.

        x [3, 2] around 1000,  y [3]

    X^T X / 3 has condition number 8.8e5; once centred, 2.5.

    >>> RavineOffset().load().y.tolist()
    [3.3, 4.8, 2.9]

    Source: Grosse, CSC321 lecture 8, "ravines", the second table.
    Here: the table goes on after its third row in the lecture, without numbers; its first table, with inputs in
    different units, is a picture whose numbers are not known. All three rows are trained on and judged on.
    """

    def load(self) -> Table:
        data = np.array(ROWS)
        return Table(data[:, :-1].copy(), data[:, -1].copy(), None, ("x1", "x2"))


ROWS = ((1003.2, 1005.1, 3.3), (1001.1, 1008.2, 4.8), (998.3, 1003.4, 2.9))
