"""In this process, one group after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from runner.core.errors import ConfigError
from runner.run import Shared
from runner.sweep.engine.base import Engine, Events, Tick, Workers
from runner.sweep.group import Manner, Task, train_group


@final
@dataclass(frozen=True)
class Here(Engine):
    """This process trains, and there is no other."""

    def ready(self, wanted: Workers) -> None:
        if wanted not in ("auto", 1):
            do = "leave out workers, or give engine=processes"
            raise ConfigError("workers", wanted, allowed="1 with engine=here, which is this process", do=do)

    def workers(self, jobs: int, wanted: Workers) -> int:
        return 1

    def trained(self, path: Path, groups: Sequence[Sequence[Task]], manner: Manner, workers: int) -> Events:
        shared = Shared()
        for group in groups:
            yield Tick(len(group) if group[0].together else 1)
            yield from train_group(group, manner, shared)
