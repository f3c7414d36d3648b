"""In this process where one is asked for or worth it, else on as many workers as there are processors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from runner.sweep.engine.base import Engine, Events, Workers
from runner.sweep.engine.here import Here
from runner.sweep.engine.processes import Processes
from runner.sweep.group import Manner, Task


@final
@dataclass(frozen=True)
class Auto(Engine):
    """`here` for one worker, `processes` for more."""

    def workers(self, jobs: int, wanted: Workers) -> int:
        return Processes().workers(jobs, wanted)

    def trained(self, path: Path, groups: Sequence[Sequence[Task]], manner: Manner, workers: int) -> Events:
        chosen = Here() if workers == 1 else Processes()
        return chosen.trained(path, groups, manner, workers)
