"""K losses as functions of K rows of parameters, in one program: for K runs what `core/objective.py` is for one.

    rows.on(x, y, noises)          a mini-batch for every row, and the noise that goes with it
    rows.value_and_grad(theta)     L_k(theta_k) `[K]` and dL_k/dtheta_k `[K, P]`

The network is called once, mapped over the rows: a product of matrices becomes a batched one, any other operation runs
over K times as many numbers. The sum of the K losses is differentiated; since none depends on another's parameters, its
gradient is all of theirs.

A row never sees the others, and its numbers agree with those of the objective of a run alone up to rounding. Which
rows lie beside it, and how many, changes no bit of it, for three reasons:

    products of matrices   round the same wherever their factors lie (`MKL_CBWR`, see `runner/__init__.py`), and a batch
                           of one is another kernel: a single row is given twice
    activations, moments   some kernels round the last numbers of a tensor, or the last channels, in another way than
                           those before: behind the last row then come `ghosts`, which nobody looks at
    sums                   are taken row by row
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from runner.core.captured import Captures
from runner.core.moments import Moments
from runner.core.noise import Noisy
from runner.core.objective import ENGINE, Objective
from runner.core.places import Places

LAST = 32  # numbers of a tensor that may be rounded in another way: torch's kernels take two registers of 16 at a time


class Judge(Protocol):
    """A loss."""

    def values(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The means over K batches, `[K]`."""

    def measure(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Every metric as a mean over the batch, `[]`."""


class TakesRows(nn.Module):
    """A module whose forward pass may also be given rows as they are, which saves the mapping.

    takes_rows  whether this one can: parameters `[K, ...]`, x `[K, B, ...]` and noise `[K, B, ...]`
    """

    takes_rows = False


class RoundsByPlace(nn.Module):
    """A function of every number by itself, whose kernel rounds the last of a tensor in another way than the others."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)

    __call__ = forward  # without a look for hooks, which takes longer than the function


class RowsDiverged(Exception):
    """Some rows have a loss or a gradient that is not finite, found before anything was updated.

    found: number of the row -> (loss, norm of the gradient)
    """

    def __init__(self, found: dict[int, tuple[float, float]]) -> None:
        super().__init__(f"rows {sorted(found)} diverged")
        self.found = found


@dataclass(frozen=True)
class Alike:
    """Something that several rows share, and their numbers."""

    what: Any
    numbers: list[int] = field(default_factory=list)

    def of(self, vector: Tensor) -> Tensor:
        """Their rows of `vector [K, ...]`, two at least: a single one stands there twice."""
        if len(self.numbers) == 1:
            return picked(vector, self.numbers * 2)
        return vector if len(self.numbers) == vector.shape[0] else picked(vector, self.numbers)

    def without_twin(self, rows: Tensor) -> Tensor:
        """What was computed of these rows, `[k, ...]`."""
        return rows[: len(self.numbers)]


def alike(things: Sequence[Any]) -> list[Alike]:
    """Equal things with the numbers of the rows that have them.

    >>> [(each.what, each.numbers) for each in alike(["a", "b", "a"])]
    [('a', [0, 2]), ('b', [1])]
    """
    found: list[Alike] = []
    for number, thing in enumerate(things):
        known = next((each for each in found if each.what == thing), None)
        if known is None:
            found.append(known := Alike(thing))
        known.numbers.append(number)
    return found


def mapped(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of tensors as one of rows of such tensors."""
    return torch.func.vmap(function)


def longer(tensors: Iterable[Tensor], ghosts: int) -> list[Tensor]:
    """Rows `[K, ...]` with so many times the first of them behind the last."""
    return [torch.cat([tensor, tensor[:1].expand(ghosts, *tensor.shape[1:])]) for tensor in tensors]


def put_together(kinds: Sequence[Alike], parts: Sequence[Tensor]) -> Tensor:
    """What was computed of the rows of each kind, in the order of their numbers: `[K, ...]`."""
    if len(kinds) == 1:
        return kinds[0].without_twin(parts[0])
    numbers = [number for each in kinds for number in each.numbers]
    found = [each.without_twin(part) for each, part in zip(kinds, parts, strict=True)]
    return picked(torch.cat(found), sorted(range(len(numbers)), key=numbers.__getitem__))


def picked(vector: Tensor, numbers: Sequence[int]) -> Tensor:
    """These rows of `vector [K, ...]`."""
    return vector.index_select(0, positions(tuple(numbers), vector.device))


@cache  # for good: what was captured reads them where they lie
def positions(numbers: tuple[int, ...], device: torch.device) -> Tensor:
    """Numbers on a device, which is told them once."""
    return torch.tensor(numbers, device=device)


class Rows:
    """The objectives of K runs whose networks differ in numbers alone.

    buffers  what the modules keep beside theta, by name, `[K, ...]`
    first    of the first gradient on this mini-batch: the mean losses `[K]`, the norms of the gradients `[K]`
    output   its scores, `[K, B, d_out]`, detached
    asked    gradients since `charge`
    """

    def __init__(self, objectives: Sequence[Objective], losses: Sequence[Judge]) -> None:
        self.objectives, self.losses = list(objectives), list(losses)
        one = self.objectives[0]
        self.module, self.layout = one.module, one.layout
        self.buffers = {name: torch.stack([each.buffers[name] for each in objectives]) for name in one.buffers}
        self.x = self.y = self.output = one.theta.new_empty(0)
        self.first = (self.output, self.output)
        self._parameters = Places.of(self.module, [slot.name for slot in self.layout.slots], "_parameters")
        self._kept = Places.of(self.module, self.buffers, "_buffers")
        self._noisy = [[part for part in each.module.modules() if isinstance(part, Noisy)] for each in objectives]
        self._moments = [part for part in self.module.modules() if isinstance(part, Moments)]
        self.asked = 0
        self._by_place = any(isinstance(part, RoundsByPlace) for part in self.module.modules())
        self._layers: list[int] = []  # which of the noisy layers have noise, and it: [K, B, ...] each
        self._masks: list[Tensor] = []
        self._fresh = True
        whole = isinstance(self.module, TakesRows) and self.module.takes_rows
        self._mapped = self._network if whole else mapped(self._network)
        self._by_loss = alike(self.losses)
        self._penalties = [each for each in alike([each.penalty for each in objectives]) if each.what is not None]
        self.captures = None if one.capturer is None else Captures(one.capturer, tuple(self.buffers.values()))

    def __len__(self) -> int:
        return len(self.objectives)

    def of(self, numbers: Sequence[int]) -> Rows:
        """The same for some of the rows, with their mini-batches and the noise of these."""
        chosen = list(numbers)
        kept = Rows([self.objectives[k] for k in chosen], [self.losses[k] for k in chosen])
        for name, buffer in kept.buffers.items():
            buffer.copy_(self.buffers[name][chosen])
        if len(self.x):
            kept.x, kept.y = self.x[chosen], self.y[chosen]
        kept._layers, kept._masks = self._layers, [mask[chosen] for mask in self._masks]
        if not self._fresh:
            kept._fresh, kept.output = False, self.output[chosen]
            kept.first = (self.first[0][chosen], self.first[1][chosen])
        return kept

    def on(self, x: Tensor, y: Tensor, noises: Sequence[torch.Generator | None]) -> None:
        """Take `x [K, B, ...]` and `y [K, B]` as the mini-batches and draw the noise of each row from its stream."""
        self.x, self.y = x, y
        self._fresh = True
        if self._noisy[0]:
            for parts, objective, noise in zip(self._noisy, self.objectives, noises, strict=True):
                for part in parts:
                    part.draw(x.shape[1], noise, objective.theta)
            drawn = [[part.mask for part in layer] for layer in zip(*self._noisy, strict=True)]
            self._layers = [number for number, masks in enumerate(drawn) if masks[0] is not None]
            self._masks = [torch.stack([mask for mask in drawn[number] if mask is not None]) for number in self._layers]

    def value_and_grad(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """L_k(theta_k) `[K]` and its gradients `[K, P]`, valid until the next call.

        Raises `RowsDiverged` where one of them is not finite.
        """
        self.asked += 1
        if self.captures is None:
            output, means, values, g, norms = self._work(theta, self.x, self.y, *self._masks)
        else:
            output, means, values, g, norms = self.captures(self._work, theta, self.x, self.y, *self._masks)
        self._refuse_infinite(means, values, norms)
        if self._fresh:
            if self.captures is not None:  # which may write there again
                means, norms, output = means.clone(), norms.clone(), output.clone()
            self._fresh, self.first, self.output = False, (means, norms), output
            with self._kept.holding(list(self.buffers.values())):
                for part in self._moments:
                    part.keep()
        return values, g

    def _work(self, theta: Tensor, x: Tensor, y: Tensor, *masks: Tensor) -> tuple[Tensor, ...]:
        """The scores `[K, B, d_out]`, mean losses, L_k, its gradients, their norms: without a look at a number."""
        parameters = [view.detach().requires_grad_() for view in self.layout.views(theta)]
        with torch.enable_grad():
            output = self._outputs(parameters, masks, x)
            # Products of matrices round by how their factors lie, which must not depend on who the neighbours are.
            output.register_hook(torch.Tensor.contiguous)  # type: ignore[no-untyped-call]
            losses = self._losses(output, y)
        gradients = ENGINE.run_backward(
            (losses,), (torch.ones_like(losses),), keep_graph=False, create_graph=False, inputs=tuple(parameters),
            allow_unreachable=False, accumulate_grad=False,
        )  # fmt: skip
        g = torch.empty_like(theta)
        torch._foreach_copy_(self.layout.views(g), gradients)
        means = values = losses.detach()
        if self.objectives[0].summed:
            values = values * y.shape[1]
            g *= y.shape[1]
        for each in self._penalties:
            penalty, gradient = each.what.value_and_grad(each.of(theta), self.layout)
            rows = positions(tuple(each.numbers), g.device)
            values = values.index_add(0, rows, each.without_twin(penalty))
            g.index_add_(0, rows, each.without_twin(gradient))
        return output.detach(), means, values, g, torch.linalg.vector_norm(g, dim=-1)

    def charge(self, numbers: Iterable[int]) -> None:
        """Count what was asked for these rows alone: a step that others must repeat counts once."""
        for number in numbers:
            counts = self.objectives[number].counts
            counts.forward += self.asked * self.y.shape[1]
            counts.backward += self.asked * self.y.shape[1]
        self.asked = 0

    def _refuse_infinite(self, means: Tensor, values: Tensor, norms: Tensor) -> None:
        if (values + norms).isfinite().all():  # two infinities of one sign at worst: a NaN or an infinity stays one
            return
        found = {}
        for row, (mean, value, norm) in enumerate(zip(means.tolist(), values.tolist(), norms.tolist(), strict=True)):
            if not (math.isfinite(value) and math.isfinite(norm)):
                found[row] = (mean if math.isfinite(value) else value, norm)
        if found:
            raise RowsDiverged(found)

    def _outputs(self, parameters: Sequence[Tensor], masks: Sequence[Tensor], x: Tensor) -> Tensor:
        """The scores `[K, B, d_out]` of `x [K, B, ...]`."""
        buffers, ghosts = list(self.buffers.values()), self.ghosts(x.shape[1])
        output: Tensor
        if not ghosts:
            output = self._mapped(parameters, buffers, masks, x)
            return output
        changed = longer(buffers, ghosts)
        (with_ghosts,) = longer([x], ghosts)
        output = self._mapped(longer(parameters, ghosts), changed, longer(masks, ghosts), with_ghosts)
        for buffer, more in zip(buffers, changed, strict=True):
            buffer.copy_(more[:-ghosts])
        return output[:-ghosts]

    def ghosts(self, size: int) -> int:
        """How many rows to compute behind the last one, for batches of so many examples."""
        narrow = [
            part.mean.numel() for part in self._moments if part.mean.numel() % LAST
        ]  # their kernel takes channels
        widths = [*narrow, *([size] if self._by_place else [])]
        return -(-LAST // min(widths)) if widths else int(len(self) == 1)

    def _network(
        self, parameters: Sequence[Tensor], buffers: Sequence[Tensor], masks: Sequence[Tensor], x: Tensor
    ) -> Tensor:
        """The forward pass of one row, or of rows."""
        noise = Places([(vars(self._noisy[0][number]), "mask") for number in self._layers[: len(masks)]])
        with self._parameters.holding(parameters), self._kept.holding(buffers), noise.holding(masks):
            output: Tensor = self.module.forward(x)
        return output

    def _losses(self, output: Tensor, y: Tensor) -> Tensor:
        return put_together(self._by_loss, [each.what.values(each.of(output), each.of(y)) for each in self._by_loss])

    def measure(self, output: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Every metric of scores `[K, n, d_out]` and targets `[K, n]`, `[K]`."""
        found = [mapped(each.what.measure)(each.of(output), each.of(y)) for each in self._by_loss]
        return {name: put_together(self._by_loss, [each[name] for each in found]) for name in found[0]}

    def judge(self, output: Tensor, y: Tensor) -> dict[str, Tensor]:
        """The loss and every metric."""
        return {"loss": self._losses(output, y), **self.measure(output, y)}

    @contextmanager
    def evaluation(self, theta: Tensor) -> Iterator[Callable[[Tensor], Tensor]]:
        """The networks at `theta [K, P]` as in use. Yields x `[B, ...]` -> outputs `[K, B, d_out]`."""
        was_training = self.module.training
        self.module.eval()
        parameters = self.layout.views(theta)

        def network(x: Tensor) -> Tensor:
            return self._outputs(parameters, [], x.expand(len(self), *x.shape))

        try:
            with torch.no_grad():
                yield network
        finally:
            self.module.train(was_training)
