from __future__ import annotations

from dataclasses import dataclass
from typing import final

from runner.core.check import Index
from runner.core.errors import ConfigError
from runner.core.theta import Layout
from runner.probe.base import Observation, Probe


@final
@dataclass(frozen=True)
class Point(Probe):
    """Where theta is: some of its elements.

        x1 = theta_0,  x2 = theta_1,  ...

    The trajectory of a function of a point, as in problem=rosenbrock; of a network, a few of its weights.

    coordinates: numbers of the elements, from 0; the column of element j is called x(j+1)

    >>> Point().columns
    ('x1', 'x2')
    """

    coordinates: tuple[Index, ...] = (0, 1)

    def check(self, layout: Layout) -> None:
        for j in self.coordinates:
            if j >= layout.size or self.coordinates.count(j) > 1:
                raise ConfigError(
                    "probe.coordinates",
                    list(self.coordinates),
                    allowed=f"different whole numbers from 0 to {layout.size - 1}, the elements of theta",
                    do="give probe.coordinates=[0], say",
                )

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(f"x{j + 1}" for j in self.coordinates)

    def measure(self, seen: Observation) -> tuple[float, ...]:
        return tuple(seen.theta[list(self.coordinates)].tolist())
