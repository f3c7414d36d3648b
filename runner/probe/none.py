from __future__ import annotations

from dataclasses import dataclass
from typing import final

from runner.probe.base import Observation, Probe


@final
@dataclass(frozen=True)
class NoProbe(Probe):
    """Measure nothing beyond the losses, the metrics and the gradient norm.

        no further column

    Costs nothing.
    """

    @property
    def columns(self) -> tuple[str, ...]:
        return ()

    def measure(self, seen: Observation) -> tuple[float, ...]:
        return ()
