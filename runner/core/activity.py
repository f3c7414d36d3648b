"""What happens inside a network in use: what goes into its activations, what comes out, and how steep they are there.

    for active in activity(objective, theta):    for every place where an activation is applied, in order of use
        active.z, active.a, active.slope         s, sigma(s), sigma'(s), each `[B, C, ...]`

A module of the house applies its activation as `self.activation`; while somebody looks, that is exchanged for one that
keeps what it sees. Nobody pays for it otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from runner.core.moments import Moments
from runner.core.objective import Objective

Function = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Active:
    """An activation on a mini-batch: z `[B, w C, ...]`, a = sigma(z) `[B, C, ...]`, slope = da/dz `[B, w C, ...]`."""

    z: Tensor
    a: Tensor
    slope: Tensor


@contextmanager
def watching(module: nn.Module) -> Iterator[list[tuple[Function, Tensor]]]:
    """Within, keeps every activation that is applied, with its input."""
    seen: list[tuple[Function, Tensor]] = []
    exchanged: list[tuple[nn.Module, Function]] = []
    for part in module.modules():
        function = getattr(part, "activation", None)
        if callable(function):
            exchanged.append((part, function))
            replace(part, keeping(function, seen))
    try:
        yield seen
    finally:
        for part, function in exchanged:
            replace(part, function)


def keeping(function: Function, seen: list[tuple[Function, Tensor]]) -> Function:
    """The function, noting what it is applied to."""

    def noted(z: Tensor) -> Tensor:
        seen.append((function, z.detach()))
        return function(z)

    return noted


def replace(part: nn.Module, function: Function) -> None:
    """Give a module another activation; torch keeps one that is a module itself in another table."""
    del part.activation
    if isinstance(function, nn.Module):
        part.activation = function
    else:
        vars(part)["activation"] = function


def activity(objective: Objective, theta: Tensor) -> list[Active]:
    """Every activation of the network in use at `theta`, dropout off, on the examples of the objective."""
    with objective.evaluation(theta) as network, watching(objective.module) as seen:
        network(objective.x)
    return [active(function, z) for function, z in seen]


def active(function: Function, z: Tensor) -> Active:
    """An activation and its slope at z; an element of the input goes into one of the output."""
    z = z.clone().requires_grad_()
    with torch.enable_grad():
        a = function(z)
        (slope,) = torch.autograd.grad(a.sum(), z, allow_unused=True, materialize_grads=True)
    return Active(z.detach(), a.detach(), slope)


@dataclass(frozen=True)
class Gap:
    """The kept moments `[C]` of a layer that normalizes, and those over all the examples that it was shown."""

    kept_mean: Tensor
    kept_var: Tensor
    mean: Tensor
    var: Tensor


def moment_gaps(objective: Objective, theta: Tensor) -> list[Gap]:
    """The gap of every layer that normalizes by moments, of the network in use at `theta`.

    A forward pass for each; a layer is shown what comes from those before it as they are in use.
    """
    found = []
    present = {name: buffer.clone() for name, buffer in objective.buffers.items()}
    with objective.evaluation(theta, present) as network:
        for layer in (part for part in objective.module.modules() if isinstance(part, Moments)):
            kept_mean, kept_var = layer.mean.clone(), layer.var.clone()
            with layer.collecting():
                network(objective.x)
            found.append(Gap(kept_mean, kept_var, layer.mean.clone(), layer.var.clone()))
            layer.mean.copy_(kept_mean)
            layer.var.copy_(kept_var)
    return found
