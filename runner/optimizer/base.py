"""Optimizers: how theta moves, given an objective to ask.

What varies is the rule. What is fixed: theta is one vector `[..., P]`; the rule is handed the objective, asks it for
what it needs (a gradient, or twenty), and changes theta and its own state in place; the learning rate of the step comes
from the schedule, t = 1, 2, ... counts the steps. An optimizer is a frozen record of its constants; what it remembers
lies in a separate dictionary of tensors, which is the checkpoint's business to keep.

Most rules work on each element of theta by itself. These are `Elementwise`: their formula is written once for
`[..., P]`, with a rate that is a float for one run or `[..., 1]` for rows of runs. A long theta is walked in
blocks, since ten passes over a block that stays in the cache cost less than ten passes over memory; a rule for which
torch has a kernel of one pass may use that instead (`update_long`).

A `Wrapper` changes what another rule, its inner one, is told or what becomes of its steps. On the command line the
inner rule is chosen with `optimizer.inner=adam` and set with `optimizer.inner.eps=1e-6`; the learning rate that comes
with it is the one of the run.

Decks and libraries print one method in several conventions. Where these give other iterates they are choices of their
own (`momentum`, `heavy_ball`, `momentum_ema`) or an argument (`eps_placement`); `equivalent_to` names the torch class
that gives the same iterates.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from runner.core.check import Choice
from runner.core.curvature import Need
from runner.core.errors import ConfigError
from runner.core.layers import Seen, Targets
from runner.core.products import Operator
from runner.core.theta import Layout
from runner.linalg.vector import Scalar, add_product_, add_quotient_, larger, sqrt

State = dict[str, Any]
Asks = Literal["here", "elsewhere", "freely"]
Curvature = Literal["gauss_newton", "hessian"]
BLOCK = 1 << 17  # elements; with half of it Adam takes 10 percent longer: a call costs 1 us, whatever the cache saves


class Asked(Protocol):
    """What an optimizer may ask: the loss on the current mini-batch as a function of theta."""

    def value(self, theta: Tensor) -> float:
        """L(theta)."""

    def value_and_grad(self, theta: Tensor) -> tuple[float, Tensor]:
        """L(theta) and its gradient, shaped like theta."""

    def value_and_graph(self, parameters: Sequence[Tensor]) -> tuple[float, Sequence[Tensor]]:
        """L at `parameters`, one for each tensor of theta, and the gradients, which can be differentiated once more."""
        raise only_gradients()

    def hessian(self, theta: Tensor) -> Operator:
        """v -> H(theta) v."""
        raise only_gradients()

    def gauss_newton(self, theta: Tensor) -> Operator:
        """v -> G(theta) v."""
        raise only_gradients()

    def per_example(self, theta: Tensor) -> Tensor:
        """The gradient of each example's own loss, `[B, P]`."""
        raise only_gradients()

    def layers(self, theta: Tensor, targets: Targets, t: int) -> Seen:
        """L(theta), its gradient, and what goes into every layer and comes back to it, for targets of step t."""
        raise only_gradients()

    def sample(self, n: int, t: int) -> Asked:
        """The same loss on `n` training examples, drawn for step t."""
        raise only_gradients()

    def share(self) -> float:
        """Which part of the training examples is in the mini-batch."""
        raise only_gradients()


def only_gradients() -> ConfigError:
    """The refusal of an objective that changes gradients, and so can answer for nothing else."""
    return ConfigError(
        "optimizer",
        "",
        allowed="inside a rule that changes gradients, one that asks for values and gradients alone",
        do="take the wrapper away, or choose another rule inside it",
    )


@dataclass(frozen=True)
class Optimizer(Choice, ABC):
    """A rule that changes theta."""

    separable: ClassVar[bool] = False  # whether each part of theta moves by its own gradient at theta alone
    needs: ClassVar[tuple[Need, ...]] = ()  # what it asks for beside values and gradients

    @property
    def gradients(self) -> Asks:
        """What a step asks the objective for, whatever the answers are.

        here       the gradient at theta, once
        elsewhere  gradients, as many in every step, also at other points; `theta` may be rows `[K, P]`
        freely     anything
        """
        return "freely"

    @property
    def rates_in_rows(self) -> bool:
        """Whether theta may be rows `[K, P]`, with a column `[K, 1]` of learning rates."""
        return False

    @abstractmethod
    def start(self, theta: Tensor, layout: Layout) -> State:
        """What the rule remembers before the first step."""

    @abstractmethod
    def step(self, theta: Tensor, state: State, objective: Asked, lr: float, t: int) -> None:
        """Step t = 1, 2, ... with learning rate `lr`: change `theta [P]` and `state` in place."""

    @abstractmethod
    def rule(self, lr: float) -> str:
        """The rule in symbols and numbers, as written to the manifest."""

    def equivalent_to(self, lr: float) -> str | None:
        """The call of a torch class that gives the same iterates, where there is one."""
        return None

    def stable_below(self, lr: float) -> float | None:
        """The largest eigenvalue of the Hessian with which the rule still converges on a quadratic; None: not known."""
        return None

    def check(self, layout: Layout) -> None:
        """`ConfigError` for parameters that the rule cannot train, before any training."""

    def remarks(self, batch: int, examples: int) -> tuple[str, ...]:
        """What the user should know before training with mini-batches of `batch` of so many examples."""
        return ()

    def eval_theta(self, theta: Tensor, state: State) -> Tensor:
        """The parameters to judge by, `[P]`: an averaging rule answers its average."""
        return theta

    def saved(self, state: State) -> dict[str, Any]:
        """The state as tensors, numbers, texts, lists and dictionaries."""
        return state

    def restored(self, state: State, saved: Mapping[str, Any]) -> State:
        """The state that was saved, given a fresh one from `start`."""
        return {name: value.clone() if isinstance(value, Tensor) else value for name, value in saved.items()}


@dataclass(frozen=True)
class Elementwise(Optimizer):
    """A rule for each element of theta by itself, from its gradient and some vectors of its own.

    What it remembers beside vectors are numbers that all elements share: floats for one run, `[..., 1]` for rows.
    """

    separable: ClassVar[bool] = True
    gradients: ClassVar[Asks] = "here"
    memory: ClassVar[tuple[str, ...]] = ()  # the names of the vectors it keeps, each 0 at first
    numbers: ClassVar[tuple[str, ...]] = ()  # the names of the numbers it keeps, each 0 at first

    @property
    def rates_in_rows(self) -> bool:
        """Unless numbers are kept that depend on the rate: a float for one run, which would have to be a column."""
        return not self.numbers

    @abstractmethod
    def update(self, theta: Tensor, g: Tensor, state: State, lr: float, t: int) -> None:
        """Change `theta [..., P]` and the vectors in `state` in place, given the gradient `g [..., P]`."""

    def start(self, theta: Tensor, layout: Layout) -> State:
        return {name: torch.zeros_like(theta) for name in self.memory} | dict.fromkeys(self.numbers, 0.0)

    def step(self, theta: Tensor, state: State, objective: Asked, lr: float, t: int) -> None:
        _, g = objective.value_and_grad(theta)
        self.move(theta, g, state, lr, t)

    def move(self, theta: Tensor, g: Tensor, state: State, lr: float, t: int) -> None:
        """Step t along a gradient that is known, whole or in blocks."""
        self.count(state, lr, t)
        if theta.shape[-1] <= BLOCK:
            self.update(theta, g, state, lr, t)
        else:
            self.update_long(theta, g, state, lr, t)

    def count(self, state: State, lr: float, t: int) -> None:
        """Bring the numbers up to date, once a step, before `update`."""
        return  # most rules keep none

    def update_long(self, theta: Tensor, g: Tensor, state: State, lr: float, t: int) -> None:
        """`update` for more elements than a block has."""
        numbers = {name: state[name] for name in self.numbers}
        vectors = {name: vector for name, vector in state.items() if name not in numbers}
        blocks = zip(*(torch.split(v, BLOCK, dim=-1) for v in (theta, g, *vectors.values())), strict=True)
        for theta_block, g_block, *memory in blocks:
            self.update(theta_block, g_block, dict(zip(vectors, memory, strict=True)) | numbers, lr, t)


@dataclass(frozen=True)
class Wrapper(Optimizer):
    """A rule around another one.

    inner: the rule that is wrapped, as in `optimizer.inner=adam`
    """

    changes_gradients: ClassVar[bool] = False  # and so can tell the inner rule of values and gradients alone
    inner: Optimizer

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.changes_gradients and self.inner.needs:
            raise ConfigError(
                "inner",
                self.inner.label,
                allowed="a rule that asks for a gradient alone; this one compares values and gradients, or asks for "
                "curvature or other examples, which would stay as they are",
                do="take the wrapper away, or choose inner=adam, say",
            )

    @property
    def needs(self) -> tuple[Need, ...]:  # type: ignore[override]
        """What the inner rule needs."""
        return self.inner.needs

    def check(self, layout: Layout) -> None:
        self.inner.check(layout)

    def remarks(self, batch: int, examples: int) -> tuple[str, ...]:
        return self.inner.remarks(batch, examples)

    @property
    def gradients(self) -> Asks:
        """What the inner rule asks."""
        return self.inner.gradients

    @property
    def rates_in_rows(self) -> bool:
        return self.inner.rates_in_rows

    def start(self, theta: Tensor, layout: Layout) -> State:
        return {"inner": self.inner.start(theta, layout)}

    def eval_theta(self, theta: Tensor, state: State) -> Tensor:
        return self.inner.eval_theta(theta, state["inner"])

    def saved(self, state: State) -> dict[str, Any]:
        return state | {"inner": self.inner.saved(state["inner"])}

    def restored(self, state: State, saved: Mapping[str, Any]) -> State:
        return super().restored(state, saved) | {"inner": self.inner.restored(state["inner"], saved["inner"])}

    @property
    def label(self) -> str:
        name = type(self).__module__.rpartition(".")[2]
        own = [text for text in self.changed() if not text.startswith("inner=")]
        return " ".join([name, *own, "around", self.inner.label])


@dataclass(frozen=True)
class Clipped(Asked):
    """An objective whose gradients are clipped.

    clip: from a gradient to the one that is told
    """

    objective: Asked
    clip: Callable[[Tensor], Tensor]

    def value(self, theta: Tensor) -> float:
        return self.objective.value(theta)

    def value_and_grad(self, theta: Tensor) -> tuple[float, Tensor]:
        value, g = self.objective.value_and_grad(theta)
        return value, self.clip(g)


def due(t: int, every: int) -> bool:
    """Whether what is done `every` steps is done in step t; at the start more often, after 1, 2, 4, 8, ... steps.

    >>> [t for t in range(1, 31) if due(t, 10)]
    [1, 2, 4, 8, 10, 20, 30]
    """
    return t % every == 0 or (t < every and t & (t - 1) == 0)


Betas = tuple[float, float]
EpsPlacement = Literal["outside", "inside", "none"]


def denominator(s: Tensor, eps: Scalar, placement: str) -> Tensor:
    """The divisor of a step, from a mean or sum of squares `s [..., P]`.

        outside  sqrt(s) + eps          inside  sqrt(s + eps)          none  sqrt(s)

    Without eps, s = 0 means that every gradient so far was 0: 0/0, taken as a step of 0, by an infinite divisor.
    """
    if placement == "outside":
        return s.sqrt().add_(eps)
    if placement == "inside":
        return (s + eps).sqrt_()
    return s.sqrt().masked_fill_(s == 0, torch.inf)


def root_in_words(s: str, eps: float, placement: str) -> str:
    """The same divisor in symbols and numbers."""
    return {"outside": f"(sqrt({s}) + {eps})", "inside": f"sqrt({s} + {eps})", "none": f"sqrt({s}), 0/0 = 0"}[placement]


def moments(state: State, g: Tensor, betas: Betas) -> tuple[Tensor, Tensor]:
    """m <- beta1 m + (1 - beta1) g  and  s <- beta2 s + (1 - beta2) g^2."""
    beta1, beta2 = betas
    return state["m"].lerp_(g, 1 - beta1), add_product_(state["s"].mul_(beta2), 1 - beta2, g, g)


def adam_step_(theta: Tensor, lr: float, m: Tensor, s: Tensor, betas: Betas, eps: float, t: int) -> None:
    """theta <- theta - lr m^ / (sqrt(s^) + eps),   m^ = m / (1 - beta1^t),   s^ = s / (1 - beta2^t)."""
    # = lr c/(1 - beta1^t) * m / (sqrt(s) + c eps) with c = sqrt(1 - beta2^t), which takes one pass less
    c = sqrt(1 - betas[1] ** t)
    add_quotient_(theta, -lr * c / (1 - betas[0] ** t), m, s.sqrt().add_(c * eps))


def momentum_kernel(theta: Tensor, g: Tensor, v: Tensor, lr: float, mu: float, *, nesterov: bool) -> None:
    """A step of momentum in torch's form, for one run and mu > 0, which the kernel takes for a rule without velocity.

    0.6 ms for a million elements that are not in the cache, the formula in blocks 1.3.
    """
    sgd(
        [theta], [g], [v],
        lr=lr, momentum=mu, nesterov=nesterov, weight_decay=0.0, dampening=0.0, maximize=False, fused=True,
    )  # fmt: skip


def adam_kernel(
    theta: Tensor,
    g: Tensor,
    state: State,
    lr: float,
    betas: Betas,
    eps: float,
    t: int,
    *,
    weight_decay: float = 0.0,
    largest: tuple[Tensor, ...] = (),
) -> None:
    """A step of Adam, AdamW or, with the vector `largest`, AMSGrad: torch's kernel of one pass, for one run.

    0.4 ms for a million elements, the formula in blocks 1.0.
    """
    before = torch.full((), float(t - 1), device=theta.device)  # the kernel counts the step itself
    adam(
        [theta], [g], [state["m"]], [state["s"]], list(largest), [before],
        lr=lr, beta1=betas[0], beta2=betas[1], eps=eps, weight_decay=weight_decay, decoupled_weight_decay=True,
        amsgrad=bool(largest), maximize=False, fused=True,
    )  # fmt: skip


def count_free(state: State, rate: Scalar) -> None:
    """The weight of a schedule-free step among all so far: (the largest rate so far)^2 over the sum of these."""
    state["largest"] = larger(rate, state["largest"])
    weight = state["largest"] ** 2
    state["weights"] = state["weights"] + weight
    state["share"] = weight / larger(state["weights"], 1e-38)  # a schedule may begin at 0, and 0/0 is a share of 0


def free_step_(y: Tensor, state: State, beta: float) -> None:
    """x <- (1 - c) x + c z  and  y <- (1 - beta) z + beta x, after z was moved."""
    x = state["x"].lerp_(state["z"], state["share"])
    torch.lerp(state["z"], x, beta, out=y)
