from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, final

import torch
from torch import Tensor

from runner.core.check import Positive, Range, Share
from runner.core.errors import ConfigError
from runner.core.theta import Layout
from runner.linalg.vector import choose
from runner.optimizer.base import Elementwise, State

Above1 = Annotated[float, Range(above=1, most=1e30)]


@final
@dataclass(frozen=True)
class Rprop(Elementwise):
    """Step by the sign of the gradient, with a size for each element that grows until the sign changes.

        size  <- size * eta+   where g and the gradient before it have the same sign
        size  <- size * eta-   where they have opposite signs; g counts as 0 there, once
        theta <- theta - size sign(g)

    size starts at lr and stays within its limits. It is a method for whole gradients (sampler=full): between
    mini-batches signs change by chance, and the sizes shrink.

    etas: (eta-, eta+), the factors on a change of sign and without one
    sizes: (smallest, largest) size of a step, in units of theta

    >>> Rprop().equivalent_to(lr=0.01)
    'torch.optim.Rprop(lr=0.01, etas=(0.5, 1.2), step_sizes=(1e-06, 50.0))'

    Source: Riedmiller & Braun 1993; the form without backtracking, as in torch.
    Here: a schedule multiplies all sizes at once; in torch lr counts in the first step alone.
    Raises: `ConfigError` where the smallest size is above the largest.
    """

    memory: ClassVar[tuple[str, ...]] = ("before", "width")  # the gradient before, size / lr

    etas: tuple[Share, Above1] = (0.5, 1.2)
    sizes: tuple[Positive, Positive] = (1e-6, 50.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sizes[0] > self.sizes[1]:
            raise ConfigError("sizes", self.sizes, allowed="[smallest, largest]", do="give sizes=[1e-6,50]")

    def start(self, theta: Tensor, layout: Layout) -> State:
        return {"before": torch.zeros_like(theta), "width": torch.ones_like(theta)}

    def update(self, theta: Tensor, g: Tensor, state: State, lr: float, t: int) -> None:
        agreement = g * state["before"]
        same = torch.ones_like(g)  # between two numbers torch.where would choose float32
        factor = torch.where(agreement > 0, self.etas[1], torch.where(agreement < 0, self.etas[0], same))
        size = (lr * state["width"]).mul_(factor).clamp_(min=self.sizes[0]).clamp_(max=self.sizes[1])
        g = g.masked_fill(agreement < 0, 0.0)
        # A schedule may begin at 0, where a width says nothing: then nothing moves and the widths stay.
        theta.addcmul_(size, g.sign().mul_(choose(lr > 0, 1.0, 0.0)), value=-1)
        state["width"].copy_(choose(lr > 0, size / lr, state["width"]))
        state["before"].copy_(g)

    def rule(self, lr: float) -> str:
        (less, more), (least, most) = self.etas, self.sizes
        return (
            f"size <- size * {more} or {less}, where g keeps or changes its sign, from {lr} on, in [{least}, {most}];  "
            "theta <- theta - size sign(g), 0 where it changed"
        )

    def equivalent_to(self, lr: float) -> str:
        return f"torch.optim.Rprop(lr={lr}, etas={self.etas}, step_sizes={self.sizes})"
