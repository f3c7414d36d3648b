from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from runner.dataset.base import Divided, Table
from runner.dataset.bundled import lines


@final
@dataclass(frozen=True, kw_only=True)
class Digits(Divided):
    """Real handwritten digits: 1,797 grey images of 8x8 pixels in 10 classes.

        x [1797, 1, 8, 8] in 0 .. 16,  y in 0 .. 9

    Small enough that a run takes a second, real enough that methods differ.

    >>> Digits().load().x.shape
    (1797, 1, 8, 8)

    Source: Alpaydin & Kaynak 1998, UCI "Optical Recognition of Handwritten Digits" (its test part), as bundled with
    scikit-learn.
    """

    def load(self) -> Table:
        data = np.loadtxt(lines("digits.csv.gz"), delimiter=",")
        x = data[:, :-1].reshape(-1, 1, 8, 8)
        return Table(x, data[:, -1].astype(np.int64), classes=tuple("0123456789"))
