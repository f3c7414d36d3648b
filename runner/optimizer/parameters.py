"""Parameters of anybody's as one vector, and a loop of anybody's as an objective: between a rule and torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from runner.core.theta import Layout, Slot
from runner.optimizer import base

Closure = Callable[[], Any]


class Vector:
    """Some parameters and their gradients as one vector each, in the tensor's own memory where there is one tensor."""

    def __init__(self, parameters: list[Tensor]) -> None:
        self.parameters = parameters
        sizes = [p.numel() for p in parameters]
        places = [sum(sizes[:i]) for i in range(len(sizes))]
        self.layout = Layout(
            tuple(
                Slot(str(i), tuple(p.shape), place, size)
                for i, (p, place, size) in enumerate(zip(parameters, places, sizes, strict=True))
            )
        )
        self.theta = flat([p.detach() for p in parameters])

    def gradient(self) -> Tensor:
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad.detach() for p in self.parameters]
        if any(g.layout is not torch.strided for g in gradients):
            raise RuntimeError("sparse gradients are refused: use torch.optim.SparseAdam, or sparse=False")
        return flat(gradients)

    def write(self) -> None:
        """theta into the parameters, where it is a copy of them."""
        for p, view in zip(self.parameters, self.layout.views(self.theta), strict=True):
            if p.data_ptr() != view.data_ptr():
                p.copy_(view)


def flat(tensors: list[Tensor]) -> Tensor:
    """The tensors as one vector: a view of a single contiguous one, else a copy."""
    (first, *others) = tensors
    return torch.cat([each.reshape(-1) for each in tensors]) if others else first.reshape(-1)


class Asked(base.Asked):
    """What a rule may ask of anybody's loop: the gradient at hand, and elsewhere whatever the closure says."""

    def __init__(self, vector: Vector, closure: Closure | None) -> None:
        self.vector, self.closure = vector, closure

    def value(self, theta: Tensor) -> float:
        return self.value_and_grad(theta)[0]

    @torch.no_grad()
    def value_and_grad(self, theta: Tensor) -> tuple[float, Tensor]:
        if theta is self.vector.theta:
            return float("nan"), self.vector.gradient()  # the loss was the business of the loop
        if self.closure is None:
            raise RuntimeError("this rule asks for gradients at another point: call step(closure)")
        here = self.vector.theta.clone()
        self.vector.theta.copy_(theta)
        self.vector.write()
        try:
            with torch.enable_grad():
                value = self.closure()
            return float(value.detach() if isinstance(value, Tensor) else value), self.vector.gradient().clone()
        finally:
            self.vector.theta.copy_(here)
            self.vector.write()


def split(memory: Any, size: int, slot: Slot, first: bool) -> Any:
    """A parameter's part of a state; what belongs to all parameters goes to the first."""
    if isinstance(memory, Tensor) and memory.shape == (size,):
        return memory.narrow(0, slot.offset, slot.size).view(slot.shape)
    if isinstance(memory, dict):
        return {name: split(item, size, slot, first) for name, item in memory.items()}
    return memory if first else None


def joined(form: Any, parts: list[Any], layout: Layout) -> Any:
    """The state of a vector from those of its parameters; `form` is a state of the same shape."""
    if isinstance(form, Tensor) and form.shape == (layout.size,):
        return flat(parts)
    if isinstance(form, dict) and form.keys() == parts[0].keys():
        return {name: joined(item, [part[name] for part in parts], layout) for name, item in form.items()}
    return parts[0]
