"""All parameters as one vector `theta [P]`, of which the module's parameters are views.

`Layout` says where each tensor lies. An optimizer that is a formula on vectors never looks at it; one that needs
the matrices asks it for views. Neither ever sees the module.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Slot:
    """Where one tensor lies in theta: elements `offset` to `offset + size`, in row-major order."""

    name: str
    shape: tuple[int, ...]
    offset: int
    size: int


@dataclass(frozen=True)
class Layout:
    """The tensors of a module in the order in which they lie in theta.

    >>> theta, layout = adopt(nn.Linear(3, 2))
    >>> layout.size, [slot.name for slot in layout.slots]
    (8, ['weight', 'bias'])
    >>> [tuple(view.shape) for view in layout.views(theta)]
    [(2, 3), (2,)]
    """

    slots: tuple[Slot, ...]

    @property
    def size(self) -> int:
        """P, the number of parameters."""
        return sum(slot.size for slot in self.slots)

    def views(self, vector: Tensor) -> list[Tensor]:
        """Views of `vector [..., P]`, one for each tensor, shaped `[..., *shape]`."""
        lead = vector.shape[:-1]
        return [vector.narrow(-1, slot.offset, slot.size).view((*lead, *slot.shape)) for slot in self.slots]

    def named(self, vector: Tensor) -> dict[str, Tensor]:
        """The same views by parameter name."""
        return dict(zip((slot.name for slot in self.slots), self.views(vector), strict=True))


def adopt(module: nn.Module) -> tuple[Tensor, Layout]:
    """Move the parameters of `module` into one vector; returns `theta [P]` and its layout.

    The module goes on working: its parameters share memory with theta, so writing theta changes the module.
    Parameters must be of one dtype and on one device. A tensor used in two places (tied weights) lies once.
    """
    parameters = dict(module.named_parameters())
    slots, offset = [], 0
    for name, parameter in parameters.items():
        slots.append(Slot(name, tuple(parameter.shape), offset, parameter.numel()))
        offset += parameter.numel()
    layout = Layout(tuple(slots))
    first = next(iter(parameters.values()))
    theta = torch.empty(offset, dtype=first.dtype, device=first.device)
    for parameter, view in zip(parameters.values(), layout.views(theta), strict=True):
        view.copy_(parameter.detach())
        parameter.data = view
    return theta, layout
