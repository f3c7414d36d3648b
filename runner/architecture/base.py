"""Architectures: the function from one input to one output, with parameters theta.

What varies is the function. What is fixed: an architecture is a recipe that is told the shape of one input and the
number of outputs when it is built, so that the same yaml fits every data set; the module it builds has plain parameters
without hooks; its random numbers, if any, come from outside (`core/noise.py`); what it keeps beside theta lies in
buffers, which a run saves and restores; its forward pass never branches on a value; it returns the raw scores, and the
loss turns them into probabilities (a softmax here and cross-entropy there would be applied twice).

The activation and the normalization between two affine maps are choices of their own, `architecture/activation=tanh`
and `architecture/normalization=batch`; `architecture.activation=tanh` is the same for one whose
arguments stay as they are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from runner.core.check import Choice
from runner.core.errors import ConfigError

Map = Literal["none", "matrix_exp", "cayley", "householder"]
Scaling = Literal["inverted", "test"]


@dataclass(frozen=True)
class Architecture(Choice, ABC):
    """A recipe for a network."""

    flat: ClassVar[bool] = True  # takes inputs as vectors [B, d]; otherwise in the shape of the data set

    @abstractmethod
    def build(self, inputs: tuple[int, ...], outputs: int) -> nn.Module:
        """A module from x `[B, *inputs]` to scores `[B, outputs]`; its initial values do not matter."""

    def project(self, theta: Tensor) -> None:
        """Move `theta [P]` in place to where it is allowed to be, after a step; by default that is everywhere."""

    @property
    def program(self) -> Architecture:
        """The recipe that stands for all whose networks can share a program: they differ in what is drawn outside."""
        return self


class WithDropout(Architecture):
    """A recipe whose units are left out at random."""

    dropout: float
    dropout_scaling: Scaling

    @property
    def program(self) -> Architecture:
        # Inverted, the rate stands in the masks alone; otherwise the network in use multiplies by it.
        return replace(self, **{"dropout": 0.5}) if self.dropout and self.dropout_scaling == "inverted" else self


def examine(module: nn.Module, x: Tensor, outputs: int, of_classes: bool = True) -> None:
    """Refuse a network that could not be trained, by one pass over some examples `x [B, *inputs]`; changes nothing.

    Raises `ConfigError` where the scores are not `[B, outputs]`, those of classes are probabilities, a parameter has no
    part in them, or the pass draws random numbers of its own.
    """
    kept = [(buffer, buffer.clone()) for buffer in module.buffers()]
    generator = torch.random.get_rng_state()
    scores = module(x)
    drawn = not torch.equal(torch.random.get_rng_state(), generator)
    parameters = dict(module.named_parameters())
    if not parameters:
        raise refused("a network with parameters; it has none", "give it some")
    if scores.shape != (len(x), outputs):
        raise refused(
            f"{outputs} scores for each example; it gives {list(scores.shape[1:])}",
            "give its last layer as many outputs as build(inputs, outputs) is told",
        )
    if of_classes and outputs > 1 and (scores >= 0).all() and ((scores.sum(1) - 1).abs() < 1e-5).all():
        raise refused(
            "scores of any size; its outputs are probabilities, which the loss would make of them again",
            "remove the softmax from its end",
        )
    if drawn:
        raise refused(
            "random numbers from outside; it draws from torch's global generator, so that no run could be repeated",
            "use runner.core.noise.Dropout instead of torch.nn.Dropout",
        )
    gradients = torch.autograd.grad(scores.sum(), list(parameters.values()), allow_unused=True)
    idle = [name for name, gradient in zip(parameters, gradients, strict=True) if gradient is None]
    if idle:
        raise refused(f"parameters that all have a part in the scores; {', '.join(idle)} have none", "remove them")
    for buffer, before in kept:
        buffer.copy_(before)


def refused(allowed: str, do: str) -> ConfigError:
    return ConfigError("architecture", "", allowed=allowed, do=do)
