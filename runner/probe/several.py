from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

from runner.core.errors import ConfigError
from runner.core.theta import Layout
from runner.probe.base import Network, Observation, Probe, Step


@final
@dataclass(frozen=True)
class Several(Probe):
    """Any number of probes at once.

        columns of probe 1, columns of probe 2, ...

    Short for it is a list: 'probe=[sharpness,activations]', whose arguments are given as in
    probe.of.sharpness.steps=10.

    of: probes by name

    >>> from runner.probe.distance import Distance
    >>> Several(of={"distance": Distance()}).columns
    ('distance_from_start',)
    """

    of: dict[str, Probe] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        names = [name for probe in self.of.values() for name in probe.columns]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ConfigError(
                "of", ", ".join(self.of), allowed=f"probes without a column in common; {twice[0]} comes twice",
                do="leave one of them out",
            )  # fmt: skip

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(name for probe in self.of.values() for name in probe.columns)

    def layered(self, network: Network) -> tuple[str, ...]:
        return tuple(name for probe in self.of.values() for name in probe.layered(network))

    def stepped(self, network: Network) -> tuple[str, ...]:
        return tuple(name for probe in self.of.values() for name in probe.stepped(network))

    @property
    def follows(self) -> bool:
        return any(probe.follows for probe in self.of.values())

    def check(self, layout: Layout) -> None:
        for name, probe in self.of.items():
            try:
                probe.check(layout)
            except ConfigError as error:
                raise error.under(f"probe.of.{name}") from None

    def measure(self, seen: Observation) -> tuple[float, ...]:
        found = [(probe.measure(seen), len(probe.columns)) for probe in self.of.values()]
        whole = [number for numbers, count in found for number in numbers[:count]]
        return (*whole, *(number for numbers, count in found for number in numbers[count:]))

    def measure_step(self, step: Step) -> tuple[float, ...]:
        return tuple(number for probe in self.of.values() for number in probe.measure_step(step))
