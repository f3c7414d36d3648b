from __future__ import annotations

from dataclasses import dataclass
from typing import final

from runner.core.activity import moment_gaps
from runner.core.check import Count
from runner.probe.base import Network, Observation, Probe, per_layer


@final
@dataclass(frozen=True)
class BatchNormGap(Probe):
    """How far the statistics that batch norm uses at test time are from those of the data.

        mean_gap_l = rms_c( (kept mean_c - mean_c) / sqrt(var_c) )
        var_gap_l  = rms_c( ln(kept var_c / var_c) ),   mean, var: over `examples` training examples

    over the channels c of every layer that normalizes by mini-batches. The kept ones trail behind while the weights
    move; where the gap is large, validation is worse than training for that reason alone.

    Costs a forward pass over `examples` examples for each such layer an epoch, which is not counted.

    examples: how many the exact statistics are taken of, the same ones in every epoch; var has divisor n, the kept one
        n - 1 of its mini-batches, which is 1 % with mini-batches of 100

    >>> BatchNormGap().columns
    ()

    Source: Su, batch normalization at test time.
    """

    examples: Count = 500

    def layered(self, network: Network) -> tuple[str, ...]:
        return (*per_layer("mean_gap", network.moments), *per_layer("var_gap", network.moments))

    def measure(self, seen: Observation) -> tuple[float, ...]:
        found = moment_gaps(seen.examine(self.examples), seen.theta)
        means = [((each.kept_mean - each.mean) / each.var.sqrt()).square().mean().sqrt() for each in found]
        variances = [(each.kept_var / each.var).log().square().mean().sqrt() for each in found]
        return tuple(each.item() for each in (*means, *variances))
