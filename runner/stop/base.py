"""Stop rules: when a run has had enough, and why.

What varies is the reason. What is fixed: a rule decides, it changes nothing; after every epoch it sees the rows of
`metrics.csv` so far and answers with a sentence or with nothing, so that the literal rows of a test are all it needs,
and a resumed run stops where the uninterrupted one does. Rules that may never fire are joined with the limit `epochs`.
A NaN is never an improvement. Whatever ends the run, the parameters that it keeps and tests are those of the epoch
with the lowest validation loss.

Two things reach beyond the rows. A rule may be `due` in the middle of an epoch; the epoch ends there, after one step or
more, and its row is written short: its means are over the steps that were made. And a rule may go by the seconds of
training, which no two runs have alike; so decisions by time cannot be repeated bit for bit, all others can.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from runner.core.check import Choice

Row = Mapping[str, float]
Direction = Literal["min", "max"]

FULL_GRADIENT = "full_grad_norm"  # the column that holds it, where a rule asks for it; NaN in epochs in between


@dataclass(frozen=True)
class Stop(Choice, ABC):
    """A reason to stop."""

    @abstractmethod
    def verdict(self, rows: Sequence[Row], elapsed_s: float = 0.0) -> str | None:
        """Why to stop after the last of `rows` (one or more), or None to go on.

        elapsed_s: seconds of training so far, over all processes that worked on the run
        """

    def due(self, step: int, elapsed_s: float) -> bool:
        """Whether to end the epoch here, after `step` steps in all, because the verdict on it is certain."""
        return False

    @property
    def limit(self) -> int | None:
        """The number of epochs after which this rule surely stops, if there is one."""
        return None

    @property
    def timed(self) -> bool:
        """Whether it goes by the seconds of training, which runs side by side would share."""
        return False

    @property
    def watched(self) -> Mapping[str, tuple[str, Direction | None]]:
        """Argument -> (the column that it names, the direction that is taken for better); checked before training."""
        return {}

    @property
    def full_gradient_every(self) -> int | None:
        """How often, in epochs, the norm of the gradient over all training examples is to be measured, if at all."""
        return None


@dataclass(frozen=True)
class Combined(Stop, ABC):
    """Several rules as one.

    rules: stop rules by name
    """

    rules: dict[str, Stop] = field(default_factory=dict)

    @property
    def timed(self) -> bool:
        return any(rule.timed for rule in self.rules.values())

    @property
    def watched(self) -> Mapping[str, tuple[str, Direction | None]]:
        return {f"rules.{name}.{key}": what for name, rule in self.rules.items() for key, what in rule.watched.items()}

    @property
    def full_gradient_every(self) -> int | None:
        """Often enough for every rule; each looks at the epochs that are its own."""
        return math.gcd(*(rule.full_gradient_every or 0 for rule in self.rules.values())) or None


def counted(number: float, word: str) -> str:
    """A number with its noun.

    >>> counted(1, "epoch"), counted(2.5, "second")
    ('1 epoch', '2.5 seconds')
    """
    spelled = str(number) if isinstance(number, int) else f"{number:g}"
    return f"{spelled} {word}" if number == 1 else f"{spelled} {word}s"
