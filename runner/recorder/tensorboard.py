from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

from runner.recorder.base import About, Log, Writer


@final
@dataclass(frozen=True)
class TensorBoard(Writer):
    """An event file for TensorBoard, in the folder tensorboard of the run.

        a scalar for each column, at step = epoch; the settings for the tab HPARAMS

    tensorboard --logdir outputs shows all runs, those of a sweep beside each other. The file grows with every commit. A
    resumed run cuts it to what was committed and goes on with it. Scalars of TensorBoard are float32; metrics.csv has
    all digits.

    Source: TensorBoard's own messages and records, in its packages compat.proto and summary.writer
    """

    packages: ClassVar[Mapping[str, str]] = {"tensorboard": "whose event files these are"}
    extra: ClassVar[str] = "tensorboard"

    def begin(self, about: About) -> Log:
        from runner.recorder.log.event_file import EventFile

        return EventFile(about)
