from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol, final, runtime_checkable

import torch
from torch import Tensor, nn

from runner.core.errors import ConfigError
from runner.core.streams import key
from runner.init.base import Init


@runtime_checkable
class Resets(Protocol):
    """torch's own protocol: a module that can draw its parameters anew."""

    def reset_parameters(self) -> None: ...


@final
@dataclass(frozen=True)
class TorchDefault(Init):
    """The start that torch's own modules give themselves when they are constructed.

        Linear, Conv   w, b ~ U(-1/sqrt(d_in), 1/sqrt(d_in))
        norms          scale 1, shift 0
        others         as their reset_parameters says

    A linear layer's weights have variance 1/(3 d_in), a sixth of Kaiming's, and its biases are drawn too: this is what
    a network starts from where nobody chose, which is why results move when somebody does.

    >>> layer = nn.Linear(100, 50)
    >>> TorchDefault().apply(layer, seed=0)
    >>> 0.09 < layer.weight.abs().max().item() <= 0.1, layer.bias.any().item()
    (True, True)

    Source: `reset_parameters` of torch.nn 2.13: kaiming_uniform_(a=sqrt(5)), which is neither He's initialization nor
    meant as such; Sun p. 41 lists torch's names.
    Here: biases do not start at 0. Each module draws from a stream of its own, so a layer starts equally whatever
    surrounds it. A module with parameters of its own and no reset_parameters is refused.
    """

    zero_biases: ClassVar[bool] = False

    def fill(self, weight: Tensor, d_in: int, d_out: int, stream: torch.Generator) -> None:
        nn.init.kaiming_uniform_(weight, a=5**0.5, generator=stream)

    def apply(self, module: nn.Module, seed: int) -> None:
        # Children first, as at construction: a parent may set what its children have drawn.
        for name, part in reversed(list(module.named_modules())):
            with torch.random.fork_rng(devices=[]):  # reset_parameters takes no generator
                torch.manual_seed(key(seed, f"init/{name}"))
                match part:
                    case Resets():
                        part.reset_parameters()
                    case nn.MultiheadAttention():
                        part._reset_parameters()
                    case _ if any(True for _ in part.parameters(recurse=False)):
                        raise ConfigError(
                            "init",
                            "torch_default",
                            allowed=f"modules with reset_parameters; {type(part).__name__} has parameters without it",
                            do="choose another init, or give that module the method",
                        )
