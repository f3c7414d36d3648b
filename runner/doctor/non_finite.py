from __future__ import annotations

from typing import final

from runner.doctor.base import Case, Finding, Rule, number
from runner.doctor.scaling import INPUTS, rescaled, scaled_init


@final
class NonFinite(Rule):
    """The network gives no finite numbers before the first step: no rate can be to blame.

    Source: floating-point arithmetic: float32 ends at 3.4e38.
    """

    name = "first layer that is not finite"
    source = "IEEE 754: float32 ends at 3.4e38, and what overflows stays infinite"

    def look(self, case: Case) -> Finding | None:
        if case.measured is None or case.measured.first.finite:
            return None
        first, widest = case.measured.first, case.measured.spread.widest
        where = "the output" if first.first_bad is None else f"activation {first.first_bad}"
        seen = (
            f"before the first step, {where} is the first place that is not finite; loss {number(first.loss)}, "
            f"gradient {number(first.gradient)}, widest input column {number(widest**0.5)}"
        )
        return self.found(seen, *(rescaled() if widest > INPUTS else scaled_init(case)))
