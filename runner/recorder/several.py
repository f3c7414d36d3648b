from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

from runner.core.errors import ConfigError
from runner.recorder.base import Recorder, Writer


@final
@dataclass(frozen=True)
class Several(Recorder):
    """Any number of recorders at once.

        log of recorder 1, log of recorder 2, ...

    Short for it is a list: 'recorder=[tensorboard,mlflow]', whose arguments are given as in
    recorder.of.mlflow.experiment=digits. If one of them fails, the others go on.

    of: recorders by name
    """

    of: dict[str, Recorder] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        kinds = [type(part) for part in self.parts]
        if len(set(kinds)) < len(kinds):
            raise ConfigError(
                "of", ", ".join(self.of), allowed="recorders of different kinds: two of one would write into one log",
                do="leave one of them out",
            )  # fmt: skip

    @property
    def parts(self) -> tuple[Writer, ...]:
        return tuple(part for recorder in self.of.values() for part in recorder.parts)
