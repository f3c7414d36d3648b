from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from runner.stop.base import Combined, Row


@final
@dataclass(frozen=True)
class AllOf(Combined):
    """Stop when several rules say so at the same time.

        stop when  rule_1 and rule_2 and ...

    With `steps` or `epochs` among the rules, the others are not heard before so many of them. All rules speak of the
    same epoch: one that spoke earlier and has changed its mind counts no more. No rules at all never stop.

    rules: stop rules by name, as in `stop.rules.steps.steps=500`

    >>> from runner.stop.epochs import Epochs
    >>> AllOf(rules={"a": Epochs(epochs=2), "b": Epochs(epochs=1)}).verdict([{"epoch": 1}])

    Source: Sun p. 14, the stopping criterion of the generic loop.
    """

    def verdict(self, rows: Sequence[Row], elapsed_s: float = 0.0) -> str | None:
        reasons = [rule.verdict(rows, elapsed_s) for rule in self.rules.values()]
        said = [reason for reason in reasons if reason]
        return "; ".join(said) if said and len(said) == len(reasons) else None

    def due(self, step: int, elapsed_s: float) -> bool:
        return bool(self.rules) and all(rule.due(step, elapsed_s) for rule in self.rules.values())

    @property
    def limit(self) -> int | None:
        limits = [rule.limit for rule in self.rules.values()]
        known = [limit for limit in limits if limit is not None]
        return max(known) if known and len(known) == len(limits) else None
