from __future__ import annotations

from dataclasses import dataclass
from typing import final

from runner.core.check import Count, Draws
from runner.linalg.trace import hutchinson_trace
from runner.probe.base import Observation, Probe, numbers


@final
@dataclass(frozen=True)
class HessianTrace(Probe):
    """The sum of the eigenvalues of the Hessian: how much the loss bends in all directions together.

        hessian_trace = mean_k z_k.H z_k,   z_k random signs,   H = d^2 L / dtheta^2

    Costs a gradient and `signs` products with the Hessian on `examples` examples an epoch, which are not counted.

    examples: how many the loss is taken of, the same ones in every epoch
    signs: random vectors, the same ones in every epoch; the standard error falls as 1/sqrt(signs)

    >>> HessianTrace().columns
    ('hessian_trace', 'hessian_trace_error')

    Source: Hutchinson 1989; for networks Yao, Gholami, Keutzer & Mahoney 2020 (arXiv 1912.07145).
    """

    examples: Count = 500
    signs: Draws = 10

    @property
    def columns(self) -> tuple[str, ...]:
        return ("hessian_trace", "hessian_trace_error")

    def measure(self, seen: Observation) -> tuple[float, ...]:
        product = seen.examine(self.examples).hessian(seen.theta)
        found = hutchinson_trace(product, seen.theta, numbers("trace"), probes=self.signs)
        return (found.value.item(), found.standard_error.item())
