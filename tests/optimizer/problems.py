"""Small problems on which optimizers are tried: two to ask, one network to train in two ways."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import cycle

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from runner.core.curvature import Curved
from runner.core.layers import Layer, Seen, Targets
from runner.core.products import Operator
from runner.core.theta import Layout, Slot, adopt
from runner.loss.cross_entropy import CrossEntropy
from runner.optimizer.base import Asked, Optimizer
from runner.run import own_slopes


@dataclass
class Quadratic(Asked):
    """L(theta) = 1/2 sum_i h_i (theta_i - minimum_i)^2, asked like any objective; its curvatures are h."""

    h: Tensor
    minimum: Tensor

    def value(self, theta: Tensor) -> float:
        return (self.h * (theta - self.minimum).square()).sum().item() / 2

    def value_and_grad(self, theta: Tensor) -> tuple[float, Tensor]:
        return self.value(theta), self.h * (theta - self.minimum)

    def layers(self, theta: Tensor, targets: Targets, t: int) -> Seen:
        return Seen(*self.value_and_grad(theta), [layer_of(self.h)])

    def hessian(self, theta: Tensor) -> Operator:
        return lambda v: self.h * v

    def gauss_newton(self, theta: Tensor) -> Operator:
        return self.hessian(theta)

    def sample(self, n: int, t: int) -> Quadratic:
        """Itself: its examples are all alike."""
        return self

    def share(self) -> float:
        return 1.0


@dataclass
class Given(Asked):
    """An objective whose gradients are given, one for each step; its curvature is 1 in every direction."""

    gradients: Iterator[Tensor]

    def value(self, theta: Tensor) -> float:
        return 0.0

    def value_and_grad(self, theta: Tensor) -> tuple[float, Tensor]:
        return 0.0, next(self.gradients)

    def layers(self, theta: Tensor, targets: Targets, t: int) -> Seen:
        return Seen(*self.value_and_grad(theta), [layer_of(torch.ones_like(theta))])

    def hessian(self, theta: Tensor) -> Operator:
        return torch.clone

    def gauss_newton(self, theta: Tensor) -> Operator:
        return torch.clone

    def sample(self, n: int, t: int) -> Given:
        return self

    def share(self) -> float:
        return 1.0


def layer_of(h: Tensor) -> Layer:
    """The layer theta = W 1 with as many examples as elements, whose exact factors are A = 1 and G = diag(h)."""
    return Layer("theta", None, h.new_ones(len(h), 1, 1), (len(h) * h).sqrt().diag().unsqueeze(1))


def flat(size: int) -> Layout:
    """The layout of one tensor with so many elements."""
    return Layout((Slot("theta", (size,), 0, size),))


def quadratic(dtype: torch.dtype = torch.float64) -> Quadratic:
    """Curvatures from 0.5 to 4, the minimum within 0.5 of 0 in every element."""
    return Quadratic(
        torch.tensor([1.0, 2.0, 4.0, 0.5, 1.5], dtype=dtype), torch.tensor([0.3, -0.2, 0.5, 0.1, -0.4], dtype=dtype)
    )


def descend(rule: Optimizer, asked: Quadratic, theta: Tensor, lr: float, steps: int) -> Tensor:
    """`theta`, changed in place by so many steps."""
    state = rule.start(theta, flat(theta.numel()))
    for t in range(1, steps + 1):
        rule.step(theta, state, asked, lr, t)
    return theta


def network(dtype: torch.dtype = torch.float64) -> nn.Module:
    """A smooth classifier with four tensors and 45 parameters."""
    torch.manual_seed(0)
    first = torch.float32  # the same numbers for every dtype, and whatever torch's default is
    return nn.Sequential(nn.Linear(4, 5, dtype=first), nn.Tanh(), nn.Linear(5, 4, dtype=first)).to(dtype)


def batches(dtype: torch.dtype = torch.float64) -> Iterator[tuple[Tensor, Tensor]]:
    """Three mini-batches of six, over and over."""
    numbers = torch.Generator().manual_seed(1)
    x = torch.randn(3, 6, 4, generator=numbers, dtype=torch.float64).to(dtype)
    y = torch.randint(4, (3, 6), generator=numbers)
    return cycle(list(zip(x, y, strict=True)))


class Examples:
    """Four hundred training examples for the network, beside those in the mini-batches."""

    def __init__(self, dtype: torch.dtype) -> None:
        numbers = torch.Generator().manual_seed(2)
        self.x = torch.randn(400, 4, generator=numbers, dtype=torch.float64).to(dtype)
        self.y = torch.randint(4, (400,), generator=numbers)

    def __len__(self) -> int:
        return len(self.y)

    def rows(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        return self.x[numbers], self.y[numbers]


def drawn(n: int, t: int) -> Tensor:
    """The numbers `[n]` of different examples for step t."""
    return torch.randperm(400, generator=torch.Generator().manual_seed(t))[:n]


def asked_of(module: nn.Module, theta: Tensor, layout: Layout) -> Curved:
    """The loss of the network as an objective that answers whatever a rule may ask."""
    slopes = partial(own_slopes, CrossEntropy(), 0)
    return Curved(module, F.cross_entropy, theta, layout, pool=Examples(theta.dtype), drawn=drawn, own_slopes=slopes)


Rates = Callable[[int], float]


def trained(rule: Optimizer, rates: Rates, steps: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """theta of the network after `steps` steps of a rule of this house."""
    module = network(dtype)
    theta, layout = adopt(module)
    asked = asked_of(module, theta, layout)
    state = rule.start(theta, layout)
    for t, (x, y) in zip(range(1, steps + 1), batches(dtype), strict=False):
        asked.on(x, y)
        rule.step(theta, state, asked, rates(t), t)
    return theta


def trained_by_hand(
    make: Callable[[list[nn.Parameter]], torch.optim.Optimizer], rates: Rates | None, steps: int
) -> Tensor:
    """The same with a torch optimizer, as torch's user drives it; at its own rate where none is given."""
    module = network()
    live = make(list(module.parameters()))
    for t, (x, y) in zip(range(1, steps + 1), batches(), strict=False):
        for group in live.param_groups if rates else []:
            group["lr"] = rates(t)

        def closure(x: Tensor = x, y: Tensor = y) -> Tensor:
            live.zero_grad()
            loss = F.cross_entropy(module(x), y)
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        live.step(closure)  # type: ignore[arg-type]
    return adopt(copy.deepcopy(module))[0]


def apart(one: Tensor, other: Tensor) -> float:
    """The distance relative to the length."""
    return ((one - other).norm() / other.norm()).item()
