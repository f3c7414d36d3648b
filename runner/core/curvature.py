"""What a second-order method asks of the loss on a mini-batch: products with its curvature, and other mini-batches.

    objective.hessian(theta)           v -> H v,           H = d^2 L / dtheta^2
    objective.gauss_newton(theta)      v -> G v,           G = mean_i J_i' (d^2 loss / dz^2) J_i,  J_i = dz_i / dtheta
    objective.empirical_fisher(theta)  v -> F v,           F = mean_i g_i g_i',  g_i = dL_i / dtheta
    objective.per_example(theta)       dL_i/dtheta `[B, P]`, the gradient of each example's own loss
    objective.layers(theta, ...)       the inputs of every layer and the gradients of its outputs
    objective.values(theta)            L(theta_k) for rows theta `[K, P]`
    objective.value_and_graph(...)     a gradient that can be differentiated once more
    objective.sample(n, t)             the same loss on n other examples

H and G are never formed: their products are exact, by differentiating twice (Pearlmutter 1994; Schraudolph 2002), and
cost about two gradients each, of the same mini-batch with the same noise. The operator stays at the theta it was made
for, however theta moves later. Given rows v `[n, P]` it answers in rows, in one pass with the work of n products.

A product of cross entropy takes up to half as long again where scores lie more than 87 apart, as they do late in full
training. Perhaps since e^-87 underflows in float32, where MKL's exp takes 24 times as long (1257 x 10: 240 us, not 10).
Flushing denormals to 0 (torch.set_flush_denormal) hardly changes that.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call

from runner.core import layers, products
from runner.core.captured import Capturer
from runner.core.errors import ConfigError
from runner.core.layers import Seen, Targets, Watch
from runner.core.noise import Dropout
from runner.core.objective import LossFunction, Objective, Penalty
from runner.core.places import Places
from runner.core.products import Operator, TwiceOneByOne, joined, one_by_one, pulled_back
from runner.core.rows import mapped
from runner.core.theta import Layout

Need = Literal[
    "hessian", "gauss_newton", "per_example", "one_function", "samples", "values", "layers", "own_slopes",
    "matrix",
]  # fmt: skip
MATRIX = 2000  # most parameters: in float64 a matrix of P x P takes 32 MB, and forming it P products, seconds on a CPU


class Pool(Protocol):
    """The training examples."""

    def __len__(self) -> int:
        """How many there are."""

    def rows(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """The examples of these numbers `[n]`: x `[n, ...]`, y `[n]`."""


Drawn = Callable[[int, int], Tensor]
OwnSlopes = Callable[[Tensor, int], Tensor]


class Curved(Objective):
    """An objective that also answers about its curvature and about other examples.

    pool: the training examples
    drawn: (n, t) -> the numbers `[n]` of n of them for step t, without replacement
    own_slopes: (scores z, t) -> dL_i/dz `[B, d_out]` for targets that the model itself gives in step t, at random
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
        pool: Pool | None = None,
        drawn: Drawn | None = None,
        own_slopes: OwnSlopes | None = None,
        capturer: Capturer | None = None,
    ) -> None:
        super().__init__(module, loss, theta, layout, summed=summed, penalty=penalty, capturer=capturer)
        self._pool, self._drawn, self._own_slopes = pool, drawn, own_slopes
        self._names = [slot.name for slot in layout.slots]
        self._in_rows = not any(isinstance(part, TwiceOneByOne) for part in module.modules())
        self._known = {id(p): name for p, name in zip(self._parameters, self._names, strict=True)}

    def hessian(self, theta: Tensor) -> Operator:
        """v `[..., P]` -> H(theta) v `[..., P]`. Costs a gradient to make."""
        parameters = self._leaves(theta)
        total = self._total(parameters, self.loss(self._output(parameters), self.y))
        self._count(forward=1, backward=1)
        return self._counted(products.hessian(total, parameters, self.layout))

    def gauss_newton(self, theta: Tensor) -> Operator:
        """v `[..., P]` -> G(theta) v `[..., P]`, to which the Hessian of a penalty is added. Costs a gradient to make.

        G is positive semi-definite where the loss is convex in the scores. For the losses whose scores are the natural
        parameters of a distribution (cross entropy, bce, mse up to its factor) it is the Fisher matrix.
        """
        parameters = self._leaves(theta)
        output = self._output(parameters)
        weight = self.y.shape[0] if self.summed else 1.0
        product = products.gauss_newton(lambda z: self.loss(z, self.y) * weight, output, parameters, self.layout)
        bend = self._penalty_hessian(theta)
        self._count(forward=1, backward=1)
        return self._counted(lambda v: product(v) + bend(v))

    def _counted(self, product: Operator) -> Operator:
        def counted(v: Tensor) -> Tensor:
            self._count(hvp=v.shape[:-1].numel())
            return product(v)

        return counted if self._in_rows else one_by_one(counted)

    def _penalty_hessian(self, theta: Tensor) -> Operator:
        if self.penalty is None:
            return torch.zeros_like
        at = theta.detach().clone().requires_grad_()
        (slope,) = torch.autograd.grad(self.penalty.value(at, self.layout), at, create_graph=True)
        slope = slope + 0.0 * at
        return lambda v: pulled_back([slope], [at], [v], v)[0]

    def empirical_fisher(self, theta: Tensor) -> Operator:
        """v `[..., P]` -> F v, F = mean_i g_i g_i' with the gradient g_i of each example's loss; no penalty is in it.

        The targets are those of the data. With targets drawn from the model's own distribution it would be the Fisher
        matrix, which `gauss_newton` is for losses that are negative log-likelihoods. Makes and keeps `[B, P]`.
        """
        gradients = self.per_example(theta)
        return lambda v: v @ gradients.T @ gradients / len(gradients)

    def per_example(self, theta: Tensor) -> Tensor:
        """The gradient of each example's own loss, `[B, P]`; their mean is that of the mini-batch without penalty."""
        parameters = self._leaves(theta)
        noisy = [part for part in self._noisy if part.mask is not None]
        masks = [part.mask for part in noisy]
        places = Places([(vars(part), "mask") for part in noisy])

        def gradient(x: Tensor, y: Tensor, *masks: Tensor) -> tuple[Tensor, ...]:
            def loss(parameters: tuple[Tensor, ...]) -> Tensor:
                with places.holding([mask.unsqueeze(0) for mask in masks]):
                    return self.loss(self._output(parameters, x.unsqueeze(0)), y.unsqueeze(0))

            found: tuple[Tensor, ...] = torch.func.grad(loss)(parameters)
            return found

        self._count(forward=1, backward=1)
        rows = mapped(gradient)(self.x, self.y, *masks)
        return torch.cat([row.flatten(1) for row in rows], 1).detach()

    def layers(self, theta: Tensor, targets: Targets, t: int) -> Seen:
        """L(theta), its gradient, and what goes into every layer and comes back to it.

        targets: what the slopes of the layers are of: the data, as the gradient; or the model, targets drawn from its
            own distribution for step t, which costs a second backward pass

        Raises `Diverged` as `value_and_grad` does.
        """
        with self._at(theta):
            with Watch(self._known) as watch:
                output = self._forward(self.x)
            loss = self.loss(output, self.y)
            outputs = [call.output for call in watch.calls]
            if targets == "data":
                both = torch.autograd.grad(loss, (*self._parameters, *outputs))
                gradients, slopes = both[: len(self._names)], both[len(self._names) :]
                slopes = tuple(slope * self.y.shape[0] for slope in slopes)
                self._count(forward=1, backward=1)
            else:
                assert self._own_slopes is not None
                gradients = torch.autograd.grad(loss, self._parameters, retain_graph=True)
                slopes = torch.autograd.grad(output, outputs, self._own_slopes(output.detach(), t))
                self._count(forward=1, backward=2)
            value = self._taken(output, loss, gradients)
        self._keep_moments()
        examples = float(self.y.shape[0]) if self.summed else 1.0
        seen = [call.layer(slope, examples) for call, slope in zip(watch.calls, slopes, strict=True)]
        return Seen(value, self._grad, seen)

    def value_and_graph(self, parameters: Sequence[Tensor]) -> tuple[float, tuple[Tensor, ...]]:
        """L at `parameters`, one for each tensor of the layout, and its gradients, which can be differentiated again.

        Raises `Diverged` as `value_and_grad` does. What becomes of the graph is not counted.
        """
        self._count(forward=1, backward=1)
        output = self._output(parameters)
        loss = self.loss(output, self.y)
        total = self._total(parameters, loss)
        gradients = torch.autograd.grad(total, parameters, create_graph=True)
        norm = torch.stack([gradient.detach().norm() for gradient in gradients]).norm().item()
        self._note(loss.item(), norm, output)
        self._refuse_infinite(loss.item(), total.item(), norm)
        self._keep_moments()
        return total.item(), tuple(g + 0.0 * p for g, p in zip(gradients, parameters, strict=True))

    def values(self, theta: Tensor) -> Tensor:
        """L `[K]` at each row of `theta [K, P]`, in one pass with the work and the memory of K: for few parameters."""

        def value(row: Tensor) -> Tensor:
            parameters = self.layout.views(row)
            return self._total(parameters, self.loss(self._output(parameters), self.y))

        self._count(forward=len(theta))
        with torch.no_grad():
            found: Tensor = mapped(value)(theta)
        return found

    def sample(self, n: int, t: int) -> Curved:
        """The same loss on `n` training examples, all if there are fewer, drawn without replacement for step `t`.

        It counts with this objective. Where nothing was asked on the mini-batch yet, the first gradient on the sample
        is the one that the metrics of training are taken from.
        """
        assert self._pool is not None
        assert self._drawn is not None
        other = Sampled(self)
        other.x, other.y = self._pool.rows(self._drawn(min(n, len(self._pool)), t))
        return other

    def among(self, numbers: Tensor) -> Curved:
        """The same loss on those of its examples that have these numbers `[n]`; one may come several times."""
        part = Sampled(self)
        numbers = numbers.to(self.y.device)
        part.x, part.y = self.x.index_select(0, numbers), self.y.index_select(0, numbers)
        return part

    def measuring(self) -> Curved:
        """The same loss for somebody who only looks: what it is asked is counted and noted elsewhere, and not kept."""
        return Curved(
            self.module,
            self.loss,
            self.theta,
            self.layout,
            summed=self.summed,
            penalty=self.penalty,
            pool=self._pool,
            drawn=self._drawn,
        )

    def share(self) -> float:
        """Which part of the training examples is in the mini-batch."""
        assert self._pool is not None
        return self.y.shape[0] / len(self._pool)

    def refuse(self, needs: Collection[Need], optimizer: str) -> None:
        """`ConfigError` for the first thing that a method needs and this network does not give."""
        moments = next((part for part in self._moments), None)
        noisy = next((part for part in self._noisy if isinstance(part, Dropout) and part.rate), None)
        if noisy is not None and {"one_function", "samples"} & set(needs):
            raise ConfigError(
                "optimizer",
                optimizer,
                allowed="a network without noise: dropout makes the loss another function in every step, and this "
                "method compares its values and gradients from step to step, or takes them of other examples",
                do="give architecture.dropout=0, or choose optimizer=adam, say",
            )
        if moments is not None and {"per_example", "samples"} & set(needs):
            raise ConfigError(
                "optimizer",
                optimizer,
                allowed="a network in which an example's loss does not depend on the others in its mini-batch, as it "
                "does through the batch norm in this one",
                do="give architecture/normalization=layer or none, or choose another optimizer",
            )
        if "layers" in needs:
            self._refuse_layers(optimizer)
        if "own_slopes" in needs:
            assert self._own_slopes is not None
            self._own_slopes(self._tried()[1].detach(), 0)
        if "matrix" in needs and self.layout.size > MATRIX:
            raise ConfigError(
                "optimizer",
                optimizer,
                allowed=f"a network with at most {MATRIX} parameters, since this method forms a matrix with a row for "
                f"each; this one has {self.layout.size}",
                do="give architecture=linear or smaller layers, or choose optimizer=lbfgs, say, which forms none",
            )

    def _tried(self) -> tuple[Watch, Tensor]:
        """A pass over two training examples, and its scores."""
        assert self._pool is not None
        x, _ = self._pool.rows(torch.arange(min(2, len(self._pool))))
        with self.evaluation(self.theta) as network, torch.enable_grad(), Watch(self._known) as watch:
            return watch, network(x)

    def _refuse_layers(self, optimizer: str) -> None:
        watch, output = self._tried()
        wanted: list[Any] = [*self._parameters, *(call.output for call in watch.calls)]
        # of any loss; with a plain sum slopes could cancel
        gradients = torch.autograd.grad(output.sin().sum(), wanted)
        layers.refuse(self._names, watch.calls, gradients, optimizer)

    def _leaves(self, theta: Tensor) -> tuple[Tensor, ...]:
        """The tensors of the layout at a copy of theta, to differentiate by."""
        return tuple(view.requires_grad_() for view in self.layout.views(theta.detach().clone()))

    def _output(self, parameters: Sequence[Tensor], x: Tensor | None = None) -> Tensor:
        """The scores at these tensors."""
        given = dict(zip(self._names, parameters, strict=True))
        output: Tensor = functional_call(self.module, given, (self.x if x is None else x,))
        return output

    def _total(self, parameters: Sequence[Tensor], loss: Tensor) -> Tensor:
        """What is descended, given the mean loss."""
        total = loss * self.y.shape[0] if self.summed else loss
        if self.penalty is None:
            return total
        return total + self.penalty.value(joined(parameters), self.layout)


class Sampled(Curved):
    """An objective on other examples than those of the mini-batch."""

    def __init__(self, whole: Curved) -> None:
        super().__init__(
            whole.module, whole.loss, whole.theta, whole.layout, summed=whole.summed, penalty=whole.penalty
        )
        self.counts, self.whole = whole.counts, whole

    def _note(self, mean: float, norm: float, output: Tensor) -> None:
        self.whole.note_of(self.y, mean, norm, output)

    def _keep_moments(self) -> None:
        return
