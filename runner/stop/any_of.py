from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

from runner.stop.base import Row, Stop


@final
@dataclass(frozen=True)
class AnyOf(Stop):
    """Stop as soon as one of several rules says so.

        stop when  rule_1 or rule_2 or ...

    rules: stop rules by name, as in `stop.rules.early_stopping.patience=5`

    >>> from runner.stop.epochs import Epochs
    >>> AnyOf(rules={"a": Epochs(epochs=5), "b": Epochs(epochs=1)}).verdict([{"epoch": 1}])
    'reached the limit of 1 epoch'

    Source: Sun p. 14, the stopping criterion of the generic loop.
    """

    rules: dict[str, Stop] = field(default_factory=dict)

    def verdict(self, rows: Sequence[Row]) -> str | None:
        reasons = [reason for rule in self.rules.values() if (reason := rule.verdict(rows))]
        return "; ".join(reasons) or None

    @property
    def limit(self) -> int | None:
        return min((rule.limit for rule in self.rules.values() if rule.limit is not None), default=None)
