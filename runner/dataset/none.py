from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from runner.core.check import Count
from runner.dataset.base import Table, Whole


@final
@dataclass(frozen=True, kw_only=True)
class NoDataset(Whole):
    """Bring no examples: what is trained is a function of the parameters alone.

        x [rows, 1] = 0,  y = 0 .. rows - 1

    For `problem=rosenbrock` and the like, where the loss is a function of a point. One row is one step; where the
    function changes from step to step, y tells in which step of its cycle it is.

    rows: the length of that cycle

    >>> NoDataset().load().y.tolist()
    [0]
    """

    empty: ClassVar[bool] = True

    rows: Count = 1

    def load(self) -> Table:
        return Table(np.zeros((self.rows, 1)), np.arange(self.rows), classes=())

    def remarks(self, table: Table) -> list[str]:
        return []
