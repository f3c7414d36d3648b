"""Stop rules: when a run has had enough, and why.

What varies is the reason. What is fixed: a rule decides, it changes nothing; after every epoch it sees the rows of
`metrics.csv` so far and answers with a sentence or with nothing, so that the literal rows of a test are all it needs,
and a resumed run stops where the uninterrupted one does. Rules that may never fire are joined with the limit `epochs`.
A NaN is never an improvement.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runner.core.check import Choice

Row = Mapping[str, float]


@dataclass(frozen=True)
class Stop(Choice, ABC):
    """A reason to stop."""

    @abstractmethod
    def verdict(self, rows: Sequence[Row]) -> str | None:
        """Why to stop after the last of `rows` (one or more), or None to go on."""

    @property
    def limit(self) -> int | None:
        """The number of epochs after which this rule surely stops, if there is one."""
        return None
