from __future__ import annotations

from dataclasses import dataclass
from typing import final

from runner.probe.base import Observation, Probe


@final
@dataclass(frozen=True)
class Distance(Probe):
    """How far the parameters are from where they started.

        distance_from_start = || theta - theta_0 ||_2

    Costs one pass over theta an epoch.
    """

    @property
    def columns(self) -> tuple[str, ...]:
        return ("distance_from_start",)

    def measure(self, seen: Observation) -> tuple[float, ...]:
        return ((seen.theta - seen.start).norm().item(),)
