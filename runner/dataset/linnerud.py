from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from runner.dataset.base import Divided, Table
from runner.dataset.bundled import lines


@final
@dataclass(frozen=True, kw_only=True)
class Linnerud(Divided):
    """Predict a body measure from three exercises: 20 men, the target is a number.

        x [20, 3] chin-ups, sit-ups and jumps,  y [20] one of weight (pounds), waist (inches), pulse

    The source has three targets for each man; one output is trained on one of them. With 20 rows the parts have 14, 3
    and 3: a toy, whose validation loss is mostly chance.

    target: which of the three is predicted

    >>> Linnerud().load().y[:3].tolist()
    [191.0, 189.0, 193.0]

    Source: Tenenhaus 1998, "La regression PLS: theorie et pratique", as bundled with scikit-learn.
    """

    target: Literal["weight", "waist", "pulse"] = "weight"

    def load(self) -> Table:
        exercise, body = lines("linnerud_exercise.csv"), lines("linnerud_physiological.csv")
        columns = tuple(exercise.readline().split())
        names = body.readline().lower().split()
        targets = np.loadtxt(body)[:, names.index(self.target)]
        return Table(np.loadtxt(exercise), np.ascontiguousarray(targets), classes=None, columns=columns)
