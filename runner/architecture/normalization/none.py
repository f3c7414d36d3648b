from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import nn

from runner.architecture.normalization.base import Normalization


@final
@dataclass(frozen=True)
class NoNormalization(Normalization):
    """Channels stay as they are.

        z = x

    Nothing is learned or kept for it.
    """

    def build(self, channels: int, positions: int) -> nn.Module | None:
        return None
