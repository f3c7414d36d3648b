from __future__ import annotations

from dataclasses import dataclass
from typing import final

from runner.recorder.base import Recorder, Writer


@final
@dataclass(frozen=True)
class NoRecorder(Recorder):
    """Write nothing beside the run folder.

        metrics.csv and summary.json are all there is

    Costs nothing.
    """

    @property
    def parts(self) -> tuple[Writer, ...]:
        return ()
