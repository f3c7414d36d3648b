"""The loss on the current mini-batch as a function of theta, which an optimizer may ask as often as it likes.

    objective.on(x, y)                   the mini-batch, and the noise (dropout masks) that goes with it
    objective.value(theta)               L(theta)                      one forward pass
    objective.value_and_grad(theta)      L(theta), dL/dtheta [P]       one forward and one backward pass

Between two calls of `on` the objective is a fixed, deterministic function: the same theta gives the same number,
which line searches and curvature need. What was asked is counted, so that a method that does twenty passes in a step
cannot look cheap. This is the only file that knows how a gradient is taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from runner.core.errors import Diverged
from runner.core.noise import Noisy
from runner.core.theta import Layout

_ENGINE = torch.autograd.Variable._execution_engine
LossFunction = Callable[[Tensor, Tensor], Tensor]


@dataclass
class Counts:
    """How often the objective was asked; the cost of a step in passes over its mini-batch."""

    forward: int = 0
    backward: int = 0


class Objective:
    """The mean loss of `module` on a mini-batch, as a function of `theta [P]`.

    `theta` is the vector that the module's parameters are views of. Asking at that very tensor costs nothing extra;
    asking at another vector copies it in and back out.
    """

    def __init__(self, module: nn.Module, loss: LossFunction, theta: Tensor, layout: Layout) -> None:
        self.module = module
        self.loss = loss
        self.theta = theta
        self.layout = layout
        self.counts = Counts()
        self.x = self.y = theta.new_empty(0)
        self.output = theta.new_empty(0)  # of the first gradient on this mini-batch, [B, d_out], detached
        self.first: tuple[float, float] = (math.nan, math.nan)  # its loss and the norm of its gradient
        self._fresh = True  # no gradient was asked for yet on this mini-batch
        self._parameters = tuple(module.parameters())
        self._noisy = [part for part in module.modules() if isinstance(part, Noisy)]
        self._forward = module.forward  # module(x) would look for hooks in every call; there are none
        self._grad = torch.empty_like(theta)
        self._grad_views = layout.views(self._grad)
        self._one = torch.ones((), dtype=theta.dtype, device=theta.device)

    def on(self, x: Tensor, y: Tensor, noise: torch.Generator | None = None) -> None:
        """Take `x [B, ...]` and `y [B]` as the mini-batch and draw its noise from the stream `noise`."""
        self.x, self.y = x, y
        self._fresh = True
        for part in self._noisy:
            part.draw(x.shape[0], noise, self.theta)

    def value(self, theta: Tensor) -> float:
        """L(theta); may be infinite or NaN, which a line search must be able to see."""
        self.counts.forward += 1
        with torch.no_grad(), self._at(theta):
            return self.loss(self._forward(self.x), self.y).item()

    def value_and_grad(self, theta: Tensor) -> tuple[float, Tensor]:
        """L(theta) and its gradient `[P]`, valid until the next call.

        Raises `Diverged` if either is not finite: before anything was updated, so theta is still good.
        """
        self.counts.forward += 1
        self.counts.backward += 1
        if theta is self.theta:
            value, norm = self._differentiate()
        else:
            with self._at(theta):
                value, norm = self._differentiate()
        if not (math.isfinite(value) and math.isfinite(norm)):
            raise Diverged(value, norm)
        return value, self._grad

    def _differentiate(self) -> tuple[float, float]:
        output = self._forward(self.x)
        loss = self.loss(output, self.y)
        torch._foreach_copy_(self._grad_views, self._gradients(loss))
        # One number each: on a GPU this waits for the device, on a CPU it costs two microseconds.
        value, norm = loss.item(), torch.linalg.vector_norm(self._grad).item()
        if self._fresh:
            self._fresh, self.first, self.output = False, (value, norm), output.detach()
        return value, norm

    def _gradients(self, loss: Tensor) -> tuple[Tensor, ...]:
        """`torch.autograd.grad(loss, parameters)` without its checks of the arguments: 12 us of a step of 130."""
        return _ENGINE.run_backward(
            (loss,), (self._one,), keep_graph=False, create_graph=False, inputs=self._parameters,
            allow_unreachable=False, accumulate_grad=False,
        )  # fmt: skip

    @contextmanager
    def evaluation(self, theta: Tensor) -> Iterator[Callable[[Tensor], Tensor]]:
        """The network at `theta` as in use: no gradient, dropout off. Yields x [B, ...] -> output [B, d_out]."""
        was_training = self.module.training
        self.module.eval()
        try:
            with torch.no_grad(), self._at(theta):
                yield self._forward
        finally:
            self.module.train(was_training)

    @contextmanager
    def _at(self, theta: Tensor) -> Iterator[None]:
        if theta is self.theta:
            yield
            return
        kept = self.theta.clone()
        self.theta.copy_(theta)
        try:
            yield
        finally:
            self.theta.copy_(kept)
