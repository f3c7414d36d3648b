from __future__ import annotations

from dataclasses import dataclass
from typing import final

from runner.preprocess.base import Array, Blocks, Preprocess, Statistics


@final
@dataclass(frozen=True)
class NoPreprocess(Preprocess):
    """Leave the inputs as they are in the source.

        x~ = x

    >>> import numpy as np
    >>> NoPreprocess().transform(np.array([[3.0]]), {}).tolist()
    [[3.0]]
    """

    def learn(self, blocks: Blocks) -> Statistics:
        return {}

    def transform(self, x: Array, statistics: Statistics) -> Array:
        return x
