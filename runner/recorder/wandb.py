from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

from runner.recorder.base import About, Log, Writer


@final
@dataclass(frozen=True)
class WandB(Writer):
    """An offline run of Weights & Biases, in the folder wandb of the run.

        a number of the history for each column, at step = epoch; the settings as its config

    Nothing leaves the machine until you say wandb sync outputs/RUN/wandb/offline-run-*. When a run is resumed, its
    offline run is written anew with all rows, under the same id: so upload it when it has ended.

    project: the project of Weights & Biases that the runs belong to

    Source: Weights & Biases' own library, wandb.init(mode="offline")
    """

    packages: ClassVar[Mapping[str, str]] = {"wandb": "which writes its offline runs"}
    extra: ClassVar[str] = "wandb"

    project: str = "optrun"

    def begin(self, about: About) -> Log:
        from runner.recorder.log.offline import Offline

        return Offline(about, self.project)
