"""The loss on the current mini-batch as a function of theta, which an optimizer may ask as often as it likes.

    objective.on(x, y)                   the mini-batch, and the noise (dropout masks) that goes with it
    objective.value(theta)               L(theta)                      one forward pass
    objective.value_and_grad(theta)      L(theta), dL/dtheta [P]       one forward and one backward pass

Between two calls of `on` the objective is a fixed, deterministic function: the same theta gives the same number,
which line searches and curvature need. What was asked is counted, so that a method that does twenty passes in a step
cannot look cheap. This file and its neighbours `rows.py` and `curvature.py` are all that know how to differentiate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from runner.core.captured import Capturer, Captures
from runner.core.errors import Diverged
from runner.core.moments import Moments
from runner.core.noise import Noisy
from runner.core.places import Places
from runner.core.theta import Layout

ENGINE = torch.autograd.Variable._execution_engine
LossFunction = Callable[[Tensor, Tensor], Tensor]


class Penalty(Protocol):
    """What is added to the loss of a mini-batch, whatever its examples are."""

    def value(self, theta: Tensor, layout: Layout) -> Tensor:
        """Omega(theta), `[...]` for `theta [..., P]`."""

    def value_and_grad(self, theta: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
        """Omega(theta) and its gradient `[..., P]`."""


@dataclass
class Counts:
    """What the objective was asked, in examples: one pass over a mini-batch of 100 counts 100.

    forward   evaluations of the loss
    backward  gradients; each belongs to an evaluation
    hvp       products with a Hessian or a Gauss-Newton matrix, which cost about two gradients each
    """

    forward: int = 0
    backward: int = 0
    hvp: int = 0


class Objective:
    """What is descended on a mini-batch, as a function of `theta [P]`: the mean `loss` of `module`, plus a penalty.

        L(theta) = mean loss(module(x), y) + Omega(theta),   `summed`: B times the mean

    `theta` is the vector that the module's parameters are views of. Asking at that very tensor costs nothing extra;
    asking at another vector copies it in and back out.
    """

    def __init__(
        self,
        module: nn.Module,
        loss: LossFunction,
        theta: Tensor,
        layout: Layout,
        *,
        summed: bool = False,
        penalty: Penalty | None = None,
        capturer: Capturer | None = None,
    ) -> None:
        self.module = module
        self.loss = loss
        self.summed = summed
        self.penalty = penalty
        self.theta = theta
        self.layout = layout
        self.counts = Counts()
        self.x = self.y = theta.new_empty(0)
        self.output = theta.new_empty(0)  # of the first gradient in this step, [B, d_out], detached
        self.target = self.y  # of the same examples
        self.first: tuple[float, float] = (math.nan, math.nan)  # its mean loss and the norm of the gradient of L
        self._fresh = True  # no gradient was asked for yet in this step
        self._unkept = True  # nor were the moments of this mini-batch kept
        self._parameters = tuple(module.parameters())
        self.buffers = dict(module.named_buffers())  # what the module keeps beside theta: running statistics
        self._noisy = [part for part in module.modules() if isinstance(part, Noisy)]
        self._moments = [part for part in module.modules() if isinstance(part, Moments)]
        self._forward = module.forward  # module(x) would look for hooks in every call; there are none
        self._grad = torch.empty_like(theta)
        self._grad_views = layout.views(self._grad)
        self._one = torch.ones((), dtype=theta.dtype, device=theta.device)
        self.capturer = capturer
        self.captures = None if capturer is None else Captures(capturer, (self._grad, *self.buffers.values()))

    def on(self, x: Tensor, y: Tensor, noise: torch.Generator | None = None) -> None:
        """Take `x [B, ...]` and `y [B]` as the mini-batch and draw its noise from the stream `noise`."""
        self.x, self.y = x, y
        self._fresh = self._unkept = True
        for part in self._noisy:
            part.draw(x.shape[0], noise, self.theta)

    def value(self, theta: Tensor) -> float:
        """L(theta); may be infinite or NaN, which a line search must be able to see."""
        self._count(forward=1)
        with torch.no_grad(), self._at(theta):
            value = self._mean()
            if self.summed:
                value *= self.y.shape[0]
            if self.penalty is not None:
                value += self.penalty.value(self.theta, self.layout).item()
            return value

    def _mean(self) -> float:
        """The mean loss over the mini-batch at the present parameters."""
        return self.loss(self._forward(self.x), self.y).item()

    def value_and_grad(self, theta: Tensor) -> tuple[float, Tensor]:
        """L(theta) and its gradient `[P]`, valid until the next call.

        Raises `Diverged` if either is not finite: before anything was updated, so theta is still good.
        """
        self._count(forward=1, backward=1)
        if theta is self.theta:
            value = self._differentiate()
        else:
            with self._at(theta):
                value = self._differentiate()
        self._keep_moments()
        return value, self._grad

    def _count(self, forward: int = 0, backward: int = 0, hvp: int = 0) -> None:
        """So many passes over the examples."""
        size = self.y.shape[0]
        self.counts.forward += forward * size
        self.counts.backward += backward * size
        self.counts.hvp += hvp * size

    def note_of(self, target: Tensor, mean: float, norm: float, output: Tensor) -> None:
        """Keep what the metrics of training are taken from, of the first gradient in this step."""
        if self._fresh:
            self._fresh, self.first, self.output, self.target = False, (mean, norm), output.detach(), target

    def _note(self, mean: float, norm: float, output: Tensor) -> None:
        self.note_of(self.y, mean, norm, output)

    def _refuse_infinite(self, mean: float, value: float, norm: float) -> None:
        if not (math.isfinite(value) and math.isfinite(norm)):
            raise Diverged(mean if math.isfinite(value) else value, norm)

    def _keep_moments(self) -> None:
        """Once for each mini-batch, after its first gradient."""
        if self._unkept:
            self._unkept = False
            for part in self._moments:
                part.keep()

    def _differentiate(self) -> float:
        if self.captures is None or not self.module.training:
            output, *numbers = self._work(self.x, self.y)
        else:
            masks = [part.mask for part in self._noisy if part.mask is not None]
            output, *numbers = self.captures(self._with_noise, self.x, self.y, *masks)
            output = output.clone()  # it lies where the next replay writes
        return self._told(output, *read(numbers))

    def _work(self, x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        """The scores `[B, d_out]`, the mean loss, and what `_finish` gives: what is done without a look at a number."""
        output = self._forward(x)
        loss = self.loss(output, y)
        torch._foreach_copy_(self._grad_views, self._gradients(loss))
        return output.detach(), loss.detach(), *self._finish()

    def _with_noise(self, x: Tensor, y: Tensor, *masks: Tensor) -> tuple[Tensor, ...]:
        """The same with this noise."""
        places = [(vars(part), "mask") for part in self._noisy if part.mask is not None]
        with Places(places).holding(masks):
            return self._work(x, y)

    def _finish(self) -> tuple[Tensor, ...]:
        """Make the gradient of the mean loss in `self._grad` that of L; the penalty, if there is one, and its norm."""
        penalties: tuple[Tensor, ...] = ()
        if self.summed:
            self._grad *= self.y.shape[0]
        if self.penalty is not None:
            penalty, gradient = self.penalty.value_and_grad(self.theta, self.layout)
            self._grad += gradient
            penalties = (penalty,)
        return *penalties, torch.linalg.vector_norm(self._grad)

    def _taken(self, output: Tensor, loss: Tensor, gradients: tuple[Tensor, ...]) -> float:
        """L(theta), given the mean loss and its gradients, which become those of L in `self._grad`."""
        torch._foreach_copy_(self._grad_views, gradients)
        return self._concluded(output, loss.detach())

    def _concluded(self, output: Tensor, mean: Tensor) -> float:
        """L(theta), given the mean loss, whose gradient is in `self._grad` and becomes that of L."""
        return self._told(output, *read([mean, *self._finish()]))

    def _told(self, output: Tensor, mean: float, *rest: float) -> float:
        """L(theta) in numbers, given the mean loss, and what `_finish` gave."""
        *penalties, norm = rest
        value = sum(penalties, mean * self.y.shape[0] if self.summed else mean)
        self._note(mean, norm, output)
        self._refuse_infinite(mean, value, norm)
        return value

    def _gradients(self, loss: Tensor) -> tuple[Tensor, ...]:
        """`torch.autograd.grad(loss, parameters)` without its checks of the arguments: 12 us of a step of 130."""
        return ENGINE.run_backward(
            (loss,), (self._one,), keep_graph=False, create_graph=False, inputs=self._parameters,
            allow_unreachable=False, accumulate_grad=False,
        )  # fmt: skip

    def own(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, int]:
        """What this process works on of some examples, and how many of them are counted here: all of them."""
        return x, y, y.shape[0]

    def totals(self, sums: dict[str, float]) -> dict[str, float]:
        """Sums over what the processes worked on: over all examples."""
        return sums

    def refit(self, theta: Tensor, parts: Iterable[Tensor]) -> None:
        """Give every layer that is exact in use the moments of its inputs over all examples, at `theta`.

        parts: the training examples, x `[B, ...]` each, which can be gone through more than once. Costs a forward pass
        over them for each such layer, since the inputs of one depend on the moments of those before it.
        """
        exact = [part for part in self._moments if part.exact]
        if exact:
            with self.evaluation(theta) as network:
                for layer in exact:
                    with layer.collecting():
                        for x in parts:
                            network(x)

    @contextmanager
    def evaluation(
        self, theta: Tensor, buffers: Mapping[str, Tensor] | None = None
    ) -> Iterator[Callable[[Tensor], Tensor]]:
        """The network at `theta` as in use: no gradient, dropout off. Yields x [B, ...] -> output [B, d_out].

        buffers: the statistics to use instead of the present ones.
        """
        was_training = self.module.training
        self.module.eval()
        try:
            with torch.no_grad(), self._at(theta), self._with(buffers):
                yield self._forward
        finally:
            self.module.train(was_training)

    def norm_of_all(self, theta: Tensor, parts: Iterable[tuple[Tensor, Tensor]], n: int) -> float:
        """|| grad L ||_2 with n examples as the batch, at `theta`, of the network as in use: dropout off.

        parts: the examples, x `[B, ...]` and y `[B]` each.

        Costs one forward and one backward pass over all examples, which are not counted: it is no part of a method.
        """
        total = torch.zeros_like(self.theta)
        views = self.layout.views(total)
        with self.evaluation(theta) as network, torch.enable_grad():
            for x, y in parts:
                weight = len(y) if self.summed else len(y) / n
                loss = self.loss(network(x), y) * weight
                torch._foreach_add_(views, torch.autograd.grad(loss, self._parameters))
            if self.penalty is not None:
                total += self.penalty.value_and_grad(self.theta, self.layout)[1]
        return float(torch.linalg.vector_norm(total))

    @contextmanager
    def _with(self, buffers: Mapping[str, Tensor] | None) -> Iterator[None]:
        if buffers is None:
            yield
            return
        present = {name: buffer.clone() for name, buffer in self.buffers.items()}
        for name, buffer in self.buffers.items():
            buffer.copy_(buffers[name])
        try:
            yield
        finally:
            for name, buffer in self.buffers.items():
                buffer.copy_(present[name])

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


def read(numbers: Sequence[Tensor]) -> list[float]:
    """What single numbers are: the program waits for a device once, not for each; on a CPU each costs a microsecond."""
    if numbers[0].device.type == "cpu":
        return [number.item() for number in numbers]
    return list(torch.stack(list(numbers)).tolist())
