"""Where a module keeps its tensors, to have it work with others for a while."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True)
class Places:
    """Where the forward pass of a module looks for tensors, as (table, key); they can be exchanged for a while."""

    places: Sequence[tuple[dict[str, Any], str]]

    @classmethod
    def of(cls, module: nn.Module, names: Iterable[str], kind: str) -> Places:
        """Those of its parameters or buffers of these names; `kind` is where a module keeps them."""
        owners = dict(module.named_modules())
        return cls([(vars(owners[name.rpartition(".")[0]])[kind], name.rpartition(".")[2]) for name in names])

    @contextmanager
    def holding(self, tensors: Sequence[Tensor]) -> Iterator[None]:
        """Within, the module works with these tensors."""
        before = [place[name] for place, name in self.places]
        for (place, name), tensor in zip(self.places, tensors, strict=True):
            place[name] = tensor
        try:
            yield
        finally:
            for (place, name), tensor in zip(self.places, before, strict=True):
                place[name] = tensor
