"""The objective of one run on several processes: each asks the network about its rows of the mini-batch.

Every process is handed the whole mini-batch and its noise, and knows the whole of what comes out: the loss, the
gradient, and the scores, from which the metrics are taken as on one process. What an optimizer, a schedule or a stop
rule is told is the same everywhere, to the bit.

Where a process asks for the rows of others (a probe, the gradient of every example) it works on all of them itself:
that is right, and no faster than alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from runner.core import products
from runner.core.curvature import Curved, Need
from runner.core.errors import ConfigError
from runner.core.processes import Processes
from runner.core.products import Operator

# What could only be asked of the whole mini-batch on every process, in words.
WHOLE: dict[Need, str] = {
    "per_example": "the gradient of every example",
    "samples": "the loss on other examples than those of the mini-batch",
    "layers": "what goes into every layer and what comes back to it",
    "own_slopes": "targets that the model draws itself",
}


class Divided(Curved):
    """`Curved` on the rows of this process, with sums over the processes.

    processes  those of the run

    A gradient costs one sum, of one vector: dL_r/dtheta `[P]`, L_r, and the scores `[B, d_out]`, those of others 0.
    """

    def __init__(self, *arguments: Any, processes: Processes, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._processes = processes
        self._portion = processes.portion(1)
        self._in_rows = self._in_rows and not self._moments  # a sum over processes cannot be mapped over rows
        self._flat = self._grad

    def on(self, x: Tensor, y: Tensor, noise: torch.Generator | None = None) -> None:
        """Take the whole mini-batch `x [B, ...]`, `y [B]`, and draw its whole noise, as one process would."""
        super().on(x, y, noise)
        self._portion = self._processes.portion(y.shape[0])
        self._one.fill_(self._portion.weight)

    def own(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, int]:
        portion = self._processes.portion(y.shape[0])
        return x[portion.rows], y[portion.rows], portion.counted

    def totals(self, sums: dict[str, float]) -> dict[str, float]:
        return dict(zip(sums, self._processes.sums(list(sums.values())), strict=True))

    def refuse(self, needs: Collection[Need], optimizer: str) -> None:
        """`ConfigError` for a method that asks for what is not divided."""
        for need in needs:
            if need in WHOLE:
                raise ConfigError(
                    "optimizer",
                    optimizer,
                    allowed="on several processes, a method that asks for sums over the mini-batch (values, gradients, "
                    f"products with its curvature); this one asks for {WHOLE[need]}, for which every process would do "
                    "the work of all",
                    do="start it on one process, or choose optimizer=adam, say",
                )
        super().refuse(needs, optimizer)

    @contextmanager
    def _divided(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Within, a forward pass is one over the rows of this process, which are yielded."""
        rows = self._portion.rows
        masks = [part.mask for part in self._noisy]
        for part in self._noisy:
            part.mask = part.mask if part.mask is None else part.mask[rows]
        for layer in self._moments:
            layer.portion = self._portion
        try:
            yield self.x[rows], self.y[rows]
        finally:
            for part, mask in zip(self._noisy, masks, strict=True):
                part.mask = mask
            for layer in self._moments:
                layer.portion = None

    def _mean(self) -> float:
        with self._divided() as (x, y):
            mean = self.loss(self._forward(x), y).item()
        (total,) = self._processes.sums([mean * self._portion.weight if self._portion.counted else 0.0])
        return total

    def _differentiate(self) -> float:
        with self._divided() as (x, y):
            output = self._forward(x)
            loss = self.loss(output, y)
        gradients = self._gradients(loss)  # of w_r L_r
        size, whole = self.layout.size, (self._portion.whole, *output.shape[1:])
        self._make_room(size + 1 + torch.Size(whole).numel())
        torch._foreach_copy_(self._grad_views, gradients)
        used = self._flat[: size + 1 + torch.Size(whole).numel()]
        scores = used[size + 1 :].view(whole)
        scores.zero_()
        if self._portion.counted:
            scores[self._portion.rows] = output.detach()
        torch.mul(loss.detach(), self._portion.weight, out=used[size])
        self._processes.add(used)
        return self._concluded(scores.clone(), used[size])

    def _make_room(self, length: int) -> None:
        """See that the vector that is summed has so many numbers, of which the gradient is the first part."""
        if self._flat.shape[0] < length:
            self._flat = self.theta.new_empty(length)
            self._grad = self._flat[: self.layout.size]
            self._grad_views = self.layout.views(self._grad)

    def hessian(self, theta: Tensor) -> Operator:
        parameters = self._leaves(theta)
        with self._divided() as (x, y):
            loss = self.loss(self._output(parameters, x), y)
        product = products.hessian(loss * self._scale, parameters, self.layout)
        return self._summed(product, self._penalty_hessian(theta))

    def gauss_newton(self, theta: Tensor) -> Operator:
        parameters = self._leaves(theta)
        with self._divided() as (x, y):
            output = self._output(parameters, x)
        product = products.gauss_newton(lambda z: self.loss(z, y) * self._scale, output, parameters, self.layout)
        return self._summed(product, self._penalty_hessian(theta))

    @property
    def _scale(self) -> float:
        """What the mean loss over the rows of this process is multiplied by in L."""
        return self._portion.counted if self.summed else self._portion.weight

    def _summed(self, product: Operator, bend: Operator) -> Operator:
        """The sum of the products of all processes, and that of the penalty."""

        def total(v: Tensor) -> Tensor:
            own = product(v)
            self._processes.add(own)
            return own + bend(v)

        self._count(forward=1, backward=1)
        return self._counted(total)
