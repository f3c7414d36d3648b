from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, final

import torch
from torch import Tensor

from runner.core.check import Below1, Count, NonNegative, Positive
from runner.core.curvature import Need
from runner.core.layers import Layer
from runner.core.theta import Layout
from runner.linalg.kronecker import damped_inverses
from runner.optimizer.base import Asked, Optimizer, State, due

Block = dict[str, Any]
T1, T2 = 5, 20  # steps between two changes of lambda, and of gamma; of the paper's experiments, section 13
OMEGA1, OMEGA2 = (19 / 20) ** T1, (19 / 20) ** (T2 / 2)  # by how much; sections 6.5 and 6.6
LAMBDA = {"simple": 0.03, "paper": 150.0}  # by trying on digits and breast_cancer; of the paper's experiments
GOOD, BAD = 0.75, 0.25  # reduction ratios beyond which lambda falls and grows; section 6.5


@final
@dataclass(frozen=True)
class KFAC(Optimizer):
    """The natural gradient with a Fisher matrix that is a Kronecker product for each layer.

        A <- e A + (1 - e) E[a a'],   G <- e G + (1 - e) E[g g'],   e = min(1 - 1/k, decay) at update k
        D = (G + gamma/pi I)^-1 V (A + pi gamma I)^-1,   pi^2 = (tr A / dim A) / (tr G / dim G)

        simple  gamma = sqrt(lam)
                theta <- theta - lr nu D,   nu = min(1, sqrt(kl_clip / D.V))
        paper   delta = -alpha D + mu delta_before,   where alpha and mu make least
                M(delta) = V.delta + delta.(F + lam I) delta / 2
                theta <- theta + lr delta;   gamma starts at sqrt(lam)
                every 5 steps: rho = (L(new) - L(old)) / (V.delta + delta.F delta / 2);
                    rho > 3/4: lam <- (19/20)^5 lam;   rho < 1/4: lam <- lam / (19/20)^5
                every 20 steps: of gamma, (19/20)^10 gamma and gamma / (19/20)^10 the one with the least M

    For each layer s = W a + b: a are its inputs with 1 appended, g = dL_i/ds, V is the gradient by (W b). Of a
    convolution, a are the patches under the kernel and g has one row for each of its positions. F is the exact Fisher
    matrix of the mini-batch, used in products alone.
    Costs one gradient a step. With new factors half a gradient more (true), with new inverses n^3 for each factor;
    paper: another gradient and two products with F, and every 5 steps an evaluation of the loss.

    damping: the rules above; paper adapts lam, gamma, the length of the step and the momentum
    lam: lambda, the multiple of I that is added to the Fisher matrix; null is 0.03 for simple, 150 for paper. With 0 a
        factor that cannot be inverted has a pseudo-inverse
    fisher: true, g for targets drawn from the model's own distribution; empirical, for those of the data
    factor_every: steps between two updates of A and G
    inverse_every: steps between two inversions
    decay: the share of A and G that is kept in the long run
    kl_clip: the most that D.V may be, about twice the divergence of what the model says after a step with lr = 1 from
        what it says now; simple alone

    >>> KFAC(fisher="empirical").needs
    ('layers',)

    Source: Martens & Grosse 2015 (arXiv 1503.05671), algorithm 2 with block-diagonal inverse; Grosse & Martens 2016
    (arXiv 1602.01407) for convolutions; simple, with kl_clip: kfac-pytorch (Pauloski et al. 2020).
    Here: the averages are first taken and inverted after 1, 2, 4, 8, ... steps too, when they are of few mini-batches.
    The paper takes F on a part of the mini-batch, and has an L2 penalty of its own; here that is a regularizer, whose
    curvature is in F. rho is of the model without lam, as in the authors' kfac-jax. kfac-pytorch damps A kron G
    exactly, by eigenvectors, at twice the products a step, and clips lr^2 D.V, so that no lr tells where it clips.
    The program has decay = 0.95, lam = 0.001, kl_clip = 0.001, factor_every = 10 and inverse_every = 100, for large
    nets: all but decay are choices of ours here. tensorflow/kfac moves lam by 0.95^interval too.
    """

    damping: Literal["simple", "paper"] = "simple"
    lam: NonNegative | None = None
    fisher: Literal["true", "empirical"] = "true"
    factor_every: Count = 1
    inverse_every: Count = 10
    decay: Below1 = 0.95
    kl_clip: Positive = 0.01

    @property
    def needs(self) -> tuple[Need, ...]:  # type: ignore[override]
        """Slopes of the model's own targets for the true Fisher matrix, and products with it for the paper's rule."""
        own: tuple[Need, ...] = ("own_slopes",) if self.fisher == "true" else ()
        products: tuple[Need, ...] = ("gauss_newton",) if self.damping == "paper" else ()
        return ("layers", *own, *products)

    @property
    def first_lam(self) -> float:
        """lambda before the first step."""
        return LAMBDA[self.damping] if self.lam is None else self.lam

    def start(self, theta: Tensor, layout: Layout) -> State:
        lam = self.first_lam
        state = {"layout": layout, "updates": 0, "blocks": [], "lam": lam, "gamma": math.sqrt(lam)}
        return state | ({"delta": torch.zeros_like(theta)} if self.damping == "paper" else {})

    def step(self, theta: Tensor, state: State, objective: Asked, lr: float, t: int) -> None:
        if due(t, self.factor_every):
            seen = objective.layers(theta, "model" if self.fisher == "true" else "data", t)
            value, g = seen.value, seen.gradient
            self.average(state, seen.layers)
        else:
            value, g = objective.value_and_grad(theta)
        if due(t, self.inverse_every):
            invert(state["blocks"], state["gamma"])
        if self.damping == "simple":
            D = natural(state["blocks"], state["layout"], g)
            theta.add_(D, alpha=-lr * self.clip(float(D @ g)))
        else:
            self.step_of_the_paper(theta, state, objective, lr, t, value, g.clone())

    def average(self, state: State, layers: list[Layer]) -> None:
        """Take the factors of a mini-batch into the running means."""
        state["updates"] += 1
        if not state["blocks"]:
            state["blocks"] = [{"weight": layer.weight, "bias": layer.bias} for layer in layers]
        e = min(1 - 1 / state["updates"], self.decay)
        for block, layer in zip(state["blocks"], layers, strict=True):
            A, G = layer.factors()
            block["A"] = block["A"].lerp_(A, 1 - e) if "A" in block else A
            block["G"] = block["G"].lerp_(G, 1 - e) if "G" in block else G

    def clip(self, change: float) -> float:
        """nu for D.V."""
        return math.sqrt(self.kl_clip / change) if change > self.kl_clip else 1.0

    def step_of_the_paper(
        self, theta: Tensor, state: State, objective: Asked, lr: float, t: int, value: float, g: Tensor
    ) -> None:
        product = objective.gauss_newton(theta)
        before, lam = state["delta"], state["lam"]
        of_before = product(before)
        tried = []
        for gamma in candidates(state["gamma"], t):
            blocks = [dict(block) for block in state["blocks"]]
            if gamma != state["gamma"]:
                invert(blocks, gamma)
            D = natural(blocks, state["layout"], g)
            tried.append((least(D, before, product(D), of_before, g, lam), gamma, blocks))
        best, state["gamma"], state["blocks"] = min(tried, key=lambda each: each[0].damped)
        state["delta"] = lr * best.delta
        theta.add_(state["delta"])
        if t % T1 == 0:
            change = best.change(lr)
            rho = (objective.value(theta) - value) / change if change else math.nan
            state["lam"] = adapted(lam, rho)

    def saved(self, state: State) -> State:
        return {name: value for name, value in state.items() if name != "layout"}

    def restored(self, state: State, saved: Mapping[str, Any]) -> State:
        blocks = [dict(block) for block in saved["blocks"]]
        return super().restored(state, saved) | {"layout": state["layout"], "blocks": blocks}

    def rule(self, lr: float) -> str:
        targets = {"true": "targets of the model", "empirical": "targets of the data"}[self.fisher]
        factors = (
            f"every {self.factor_every} steps, {targets}: A, G <- e A + (1 - e) E[a a'], e G + (1 - e) E[g g'], "
            f"e = min(1 - 1/k, {self.decay});  every {self.inverse_every} steps inverses with gamma;  "
            "D = (G + gamma/pi I)^-1 V (A + pi gamma I)^-1"
        )
        if self.damping == "simple":
            return (
                f"{factors}, gamma = sqrt({self.first_lam});  theta <- theta - {lr} min(1, sqrt({self.kl_clip}/D.V)) D"
            )
        return (
            f"{factors}, lam = {self.first_lam} and gamma = sqrt(lam) at first, adapted every {T1} and {T2} steps;  "
            f"theta <- theta + {lr} delta, delta = -alpha D + mu delta with the least V.delta + "
            "delta.(F + lam I) delta/2"
        )


def invert(blocks: list[Block], gamma: float) -> None:
    """Bring the inverses of every layer up to date."""
    for block in blocks:
        block["A^-1"], block["G^-1"] = damped_inverses(block["A"], block["G"], gamma)


def natural(blocks: list[Block], layout: Layout, g: Tensor) -> Tensor:
    """D `[P]` for the gradient g `[P]`."""
    found = torch.empty_like(g)
    given, taken = layout.named(g), layout.named(found)
    for block in blocks:
        weight, bias = block["weight"], block["bias"]
        V = given[weight].flatten(1) if given[weight].ndim > 1 else given[weight].unsqueeze(1)
        if bias is None:
            taken[weight].copy_((block["G^-1"] @ V @ block["A^-1"]).view(taken[weight].shape))
        else:
            D = block["G^-1"] @ torch.cat([V, given[bias].unsqueeze(1)], 1) @ block["A^-1"]
            taken[weight].copy_(D[:, :-1].view(taken[weight].shape))
            taken[bias].copy_(D[:, -1])
    return found


@dataclass(frozen=True)
class Least:
    """The step of least M in a plane, with M there, V.delta and delta.F delta."""

    delta: Tensor
    damped: float
    slope: float
    curvature: float

    def change(self, lr: float) -> float:
        """What the model without lambda says of a step lr delta."""
        return lr * self.slope + lr * lr * self.curvature / 2


def least(D: Tensor, before: Tensor, of_D: Tensor, of_before: Tensor, g: Tensor, lam: float) -> Least:
    """The least of M(delta) = g.delta + delta.(F + lam I) delta / 2 in the plane of D and the step before."""
    plane, products = torch.stack([D, before]), torch.stack([of_D, of_before])
    lengths = torch.linalg.vector_norm(plane, dim=1, keepdim=True)
    lengths = lengths.masked_fill(lengths == 0, 1.0)  # the step before the first, and what no gradient moves
    plane, products = plane / lengths, products / lengths
    F = (plane @ products.T).double()
    damped = (F + F.T) / 2 + lam * (plane @ plane.T).double()
    slope = (plane @ g).double()
    c = -torch.linalg.pinv(damped, hermitian=True, rtol=1e-10) @ slope  # two parallel directions are one
    return Least(c.to(g.dtype) @ plane, float(c @ slope) / 2, float(c @ slope), float(c @ F @ c))


def candidates(gamma: float, t: int) -> list[float]:
    return [gamma, OMEGA2 * gamma, gamma / OMEGA2] if t % T2 == 0 else [gamma]


def adapted(lam: float, rho: float) -> float:
    """Levenberg and Marquardt's rule; what is no number counts as bad."""
    if rho > GOOD:
        return OMEGA1 * lam
    return lam if rho >= BAD else lam / OMEGA1
