from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor

from runner.core.activity import activity
from runner.core.check import Count, Positive
from runner.probe.base import Network, Observation, Probe, per_layer


@final
@dataclass(frozen=True)
class Activations(Probe):
    """What comes out of every activation, how much of it is saturated, and which units are dead.

        activation_mean_l     mean of sigma(z), over units, positions and examples
        activation_second_l   mean of sigma(z)^2, the second moment
        saturated_l           share of the inputs z at which |sigma'(z)| < `level`
        dead_l                share of the units whose sigma'(z) is exactly 0 on every example

    Through a saturated unit hardly any gradient comes back, through a dead one none. Of a relu about half is saturated
    and should be; nothing of it should be dead. Where the second moment falls or grows from layer to layer, the scale
    of the initialization does not suit the activation.

    Costs a forward pass over `examples` examples an epoch, which is not counted.

    examples: how many, the same ones in every epoch, dropout off
    level: of the slope, beside 1 for tanh and relu and 0.25 for sigmoid at 0

    >>> Activations().columns
    ()

    Source: Sun p. 8 (saturation), p. 9 (dead units), p. 39 to 41 (moments); Grosse, CSC321 lecture 8, plateaux.
    Here: level is a choice of ours.
    """

    examples: Count = 500
    level: Positive = 0.05

    def layered(self, network: Network) -> tuple[str, ...]:
        names = ("activation_mean", "activation_second", "saturated", "dead")
        return tuple(column for name in names for column in per_layer(name, network.activations))

    def measure(self, seen: Observation) -> tuple[float, ...]:
        found = activity(seen.examine(self.examples), seen.theta)
        means = [each.a.mean().item() for each in found]
        seconds = [each.a.square().mean().item() for each in found]
        saturated = [(each.slope.abs() < self.level).double().mean().item() for each in found]
        return (*means, *seconds, *saturated, *(dead(each.slope) for each in found))


def dead(slope: Tensor) -> float:
    """The share of the units on axis 1 of `slope [B, C, ...]` that are 0 on every example and position."""
    silent = (slope == 0).transpose(0, 1).flatten(1).all(1)
    return silent.double().mean().item()
