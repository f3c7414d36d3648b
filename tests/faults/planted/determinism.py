"""The random streams depend on the hash seed of the process."""

from __future__ import annotations

from typing import Any

from runner import train

shared = train.stream


def stream(seed: int, name: str, *place: Any) -> Any:
    return shared(seed + hash("optrun") % 1000, name, *place)


train.stream = stream
