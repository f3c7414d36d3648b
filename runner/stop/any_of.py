from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from runner.stop.base import Combined, Row


@final
@dataclass(frozen=True)
class AnyOf(Combined):
    """Stop as soon as one of several rules says so.

        stop when  rule_1 or rule_2 or ...

    A rule is added as in '+stop@stop.rules.target=target' stop.rules.target.value=0.5, and taken out as in
    '~stop.rules.early_stopping'.

    rules: stop rules by name, as in `stop.rules.early_stopping.patience=5`

    >>> from runner.stop.epochs import Epochs
    >>> AnyOf(rules={"a": Epochs(epochs=5), "b": Epochs(epochs=1)}).verdict([{"epoch": 1}])
    'reached the limit of 1 epoch'

    Source: Sun p. 14, the stopping criterion of the generic loop.
    """

    def verdict(self, rows: Sequence[Row], elapsed_s: float = 0.0) -> str | None:
        reasons = [reason for rule in self.rules.values() if (reason := rule.verdict(rows, elapsed_s))]
        return "; ".join(reasons) or None

    def due(self, step: int, elapsed_s: float) -> bool:
        return any(rule.due(step, elapsed_s) for rule in self.rules.values())

    @property
    def limit(self) -> int | None:
        return min((rule.limit for rule in self.rules.values() if rule.limit is not None), default=None)
