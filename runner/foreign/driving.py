"""How an optimizer that is written for torch is made and driven, which its class does not say in one way.

    its parameters   a list; or two groups, the matrices with `use_muon`; or a module that has them
    its step         step()          after a gradient
                     step()          after a gradient that can be differentiated once more
                     step(closure)   with a gradient at hand as well, or without

Which of these it is comes from the names of its arguments where they tell, else from a trial of some steps.
"""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from runner.core.streams import key

INNER = ("optimizer", "base_optimizer")  # what classes call the optimizer that they go around
OURS = ("params", "model", "lr", "self")  # what is supplied here, and can be no argument in a yaml


@dataclass(frozen=True)
class Way:
    """How a step is called.

    graph: the gradient can be differentiated once more
    before: the gradient is there when the step begins
    closure: the step is given a closure, to ask for gradients itself
    draws: it draws from a global generator: torch's, numpy's or Python's
    matrices: it takes matrices alone
    """

    graph: bool = False
    before: bool = True
    closure: bool = False
    draws: bool = False
    matrices: bool = False

    def drive(self, live: torch.optim.Optimizer, gradient: Callable[[], Tensor]) -> None:
        """One step of `live`, where `gradient` puts the gradient into the parameters and answers the loss."""
        if self.before:
            gradient()
        if self.closure:
            live.step(gradient)  # type: ignore[arg-type]
        else:
            live.step()

    def noise(self, seed: int, t: int, device: torch.device) -> AbstractContextManager[None]:
        """The stream that step t draws from, where it draws: so that a resumed run draws the same."""
        return drawing(key(seed, "optimizer", t), device) if self.draws else nullcontext()


def ways(cls: type[Any]) -> Iterator[Way]:
    """The ways that the signature of the class's step leaves open, the cheapest first."""
    closure = inspect.signature(cls.step).parameters.get("closure")
    if closure is None or closure.default is not inspect.Parameter.empty:
        yield Way()
        yield Way(graph=True)
    if closure is not None:
        yield Way(closure=True)


@contextmanager
def drawing(seed: int, device: torch.device) -> Iterator[None]:
    """Within, the global generators are streams of this seed; after it they are as before."""
    numpy_state, python_state = np.random.get_state(), random.getstate()
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            np.random.seed(seed % 2**32)  # all that it takes
            random.seed(seed)
            yield
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)


def drawn() -> list[bytes]:
    """Where the global generators of torch, numpy and Python stand."""
    _, keys, *place = np.random.get_state(legacy=True)
    return [
        torch.get_rng_state().numpy().tobytes(),
        np.asarray(keys).tobytes(),
        repr((place, random.getstate())).encode(),
    ]


def forms(parameters: dict[str, nn.Parameter]) -> Iterator[list[Any]]:
    """The parameters as a list; as two groups, the matrices and the rest, told apart as the Muons want them."""
    yield list(parameters.values())
    matrices = [p for p in parameters.values() if p.ndim >= 2]
    rest = [p for p in parameters.values() if p.ndim < 2]
    yield [{"params": part, "use_muon": flag} for part, flag in ((matrices, True), (rest, False)) if part]


def module_of(parameters: dict[str, nn.Parameter]) -> nn.Module:
    """A module that has these parameters under their names, and nothing else.

    >>> weight = nn.Parameter(torch.ones(2, 2))
    >>> [name for name, _ in module_of({"0.weight": weight, "head": weight}).named_parameters(remove_duplicate=False)]
    ['head', '0.weight']
    """
    root = nn.Module()
    for name, parameter in parameters.items():
        *path, last = name.split(".")
        at = root
        for part in path:
            if part not in dict(at.named_children()):
                at.add_module(part, nn.Module())
            at = at.get_submodule(part)
        at.register_parameter(last, parameter)
    return root
