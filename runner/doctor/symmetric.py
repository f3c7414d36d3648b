from __future__ import annotations

from typing import final

from runner.doctor.base import Case, Finding, Rule
from runner.doctor.scaling import scaled_init

SHARE = 0.5  # of a layer; two units that are twins by chance do not occur among random ones


@final
class Symmetric(Rule):
    """Units of a layer that are copies of each other, from the first step to the last.

    Source: Grosse, CSC321 lecture 8, saddle points; Sun p. 38.
    """

    name = "symmetric units"
    source = 'Grosse, CSC321 lecture 8: "don\'t initialize all your weights to zero"; Sun p. 38'

    def look(self, case: Case) -> Finding | None:
        if case.measured is None or case.last is None:
            return None
        pairs = list(zip(case.measured.first.twins, case.last.inside.twins, strict=True))
        layer = next((number for number, pair in enumerate(pairs, 1) if min(pair) >= SHARE), None)
        if layer is None:
            return None
        before, after = pairs[layer - 1]
        seen = f"{after:.0%} of the units of layer {layer} have the weights of another one ({before:.0%} at the start)"
        return self.found(seen, *scaled_init(case))
