"""Whether the gradient that training uses is the slope of what is descended, at the initial parameters.

    slope along d = (L(theta + h d) - L(theta - h d)) / (2 h),   |d| = 1

is compared with g d in float64, along some directions and along some coordinates of every tensor. At a kink (of a relu,
of an absolute value) the slopes on both sides differ, and any number between them is a gradient.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from runner.core.errors import ExpectationMissed
from runner.core.objective import Objective
from runner.core.streams import stream
from runner.core.theta import Slot
from runner.run import Material, Run, prepare

H = 1e-6  # the error of a slope is h^2 L'''/6 + rounding / h: 1e-13 and 1e-8 where L and its derivatives are about 1
RELATIVE = 1e-5  # what a wrong factor in a formula exceeds by far, and both of these errors stay below
ROUNDING = 1e-14  # of a loss about 1, a mean of some hundred examples that are right to 2e-16 each
DIRECTIONS = 3  # in every tensor: a random direction misses an error in one element, a coordinate all others
COORDINATES = 4
MOST = 128  # examples: more would show nothing new


@dataclass(frozen=True)
class Slope:
    """The gradient and the slopes along one direction.

    where: the direction in words
    told: g d
    found: the slope; behind and ahead: those on its two sides
    noise: what rounding may do to a slope
    """

    where: str
    told: float
    found: float
    behind: float
    ahead: float
    noise: float

    @property
    def error(self) -> float:
        """Relative to the larger of the two, and to what of it rounding leaves to be seen."""
        return abs(self.told - self.found) / max(abs(self.told), abs(self.found), self.noise / RELATIVE)

    @property
    def kink(self) -> bool:
        """Whether the slopes on both sides differ, by more than a bend does within h, and the gradient is between."""
        low, high = sorted((self.behind, self.ahead))
        slack = RELATIVE * max(abs(low), abs(high)) + self.noise
        return high - low > RELATIVE * max(abs(low), abs(high)) and low - slack <= self.told <= high + slack

    @property
    def right(self) -> bool:
        return self.error <= RELATIVE or self.kink


def show(run: Run) -> Iterator[str]:
    """A line for every tensor, with the largest error in it; raises `ExpectationMissed` where one is wrong."""
    m = prepare(dataclasses.replace(run, precision="float64", device="cpu"))
    objective, many = asked(run, m)
    value, g = objective.value_and_grad(m.theta)
    g = g.clone()
    subject = run.loss.label if run.dataset.empty else f"{run.architecture.label} · {run.loss.label} · {many} examples"
    yield f"gradient:   {subject} · value {value:.6g}"
    width = max(len("tensor"), *(len(slot.name) for slot in m.layout.slots))
    yield f"            {'tensor':<{width}}  {'shape':<16}  {'error':>8}  verdict"
    wrong = []
    for slot in m.layout.slots:
        slopes = [slope(objective, m.theta, g, where, d) for where, d in directions(slot, m.theta, run.seed)]
        bad = [each for each in slopes if not each.right]
        wrong += [slot.name] if bad else []
        worst = max(bad or [each for each in slopes if not each.kink] or slopes, key=lambda each: each.error)
        shape = "x".join(map(str, slot.shape))
        yield f"            {slot.name:<{width}}  {shape:<16}  {worst.error:8.1e}  {verdict(worst)}"
    if wrong:
        raise ExpectationMissed(
            f"the gradient is not the slope of the objective in {', '.join(wrong)}: "
            "some derivative is wrong, or stands in for another on purpose"
        )
    yield f"so:         the gradient is the slope of the objective in {counted(len(m.layout.slots), 'tensor')}"


def asked(run: Run, m: Material) -> tuple[Objective, int]:
    """The objective on the first examples, with the noise of the first epoch, and how many these are."""
    many = min(len(m.train), run.sampler.size(len(m.train)), MOST)
    x, y = m.train.rows(torch.arange(many))
    m.objective.on(x, y, stream(run.seed, "noise", 1))
    return m.objective, many


def directions(slot: Slot, theta: Tensor, seed: int) -> Iterator[tuple[str, Tensor]]:
    """Unit vectors `[P]` within one tensor, random ones and coordinates, each with its name."""
    numbers = stream(seed, f"gradcheck/{slot.name}")
    own = slice(slot.offset, slot.offset + slot.size)
    for _ in range(DIRECTIONS):
        d = torch.zeros_like(theta)
        d[own] = torch.nn.functional.normalize(torch.randn(slot.size, generator=numbers, dtype=theta.dtype), dim=0)
        yield "a random direction", d
    for place in torch.randperm(slot.size, generator=numbers)[:COORDINATES].tolist():
        d = torch.zeros_like(theta)
        d[slot.offset + place] = 1.0
        yield f"element {place}", d


def slope(objective: Objective, theta: Tensor, g: Tensor, where: str, d: Tensor) -> Slope:
    """What the gradient says along `d [P]`, and what the objective does."""
    here, ahead, behind = (objective.value(theta + step * d) for step in (0.0, H, -H))
    return Slope(
        where,
        told=(g @ d).item(),
        found=(ahead - behind) / (2 * H),
        behind=(here - behind) / H,
        ahead=(ahead - here) / H,
        noise=ROUNDING * max(1.0, abs(here)) / H,
    )


def verdict(worst: Slope) -> str:
    """In words, from the slope that is worst in a tensor."""
    if not worst.right:
        return f"WRONG: {worst.told:.6g} along {worst.where}, where the slope is {worst.found:.6g}"
    if worst.error > RELATIVE:
        return f"at a kink: {worst.told:.6g} is between the slopes {worst.behind:.6g} and {worst.ahead:.6g}"
    return "agrees"


def counted(number: int, word: str) -> str:
    return f"its one {word}" if number == 1 else f"all {number} {word}s"
