from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from runner.core.check import Count
from runner.probe.base import Network, Observation, Probe, per_layer


@final
@dataclass(frozen=True)
class Symmetry(Probe):
    """How different the units of a layer are from each other.

        unit_distance_l = min_{i<j} ||w_i - w_j|| / mean_i ||w_i||,   w_i: the weights into unit i of layer l

    Units with equal weights on both sides get equal gradients and stay equal for ever: 0 that stays 0 is a layer that
    works like a single unit. Two random ones are about sqrt(2) apart. It is 0 too where all weights are 0.

    Costs one product of every weight matrix with itself an epoch.

    units: of a layer that are compared, the first ones

    >>> Symmetry().columns
    ()

    Source: Grosse, CSC321 lecture 8, saddle points ("don't initialize all your weights to zero"); Sun p. 38.
    """

    units: Count = 500

    def layered(self, network: Network) -> tuple[str, ...]:
        return per_layer("unit_distance", len(network.weights))

    def measure(self, seen: Observation) -> tuple[float, ...]:
        weights = [view for view in seen.layout.views(seen.theta) if view.ndim > 1]
        return tuple(distance(view[: self.units].flatten(1).double()) for view in weights)


def distance(w: Tensor) -> float:
    """The smallest distance between two rows of `w [n, d]`, in mean lengths of a row; nan for a single row."""
    if len(w) < 2:
        return float("nan")
    scale = w.norm(dim=1).mean().item()
    return torch.nn.functional.pdist(w).min().item() / scale if scale else 0.0
