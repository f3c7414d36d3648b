"""The doctor: what is wrong with a run, by rules that each know one sign.

A rule is a file: a name, the source of the sign, the numbers that it goes by, a threshold with its reason, and the
words to change in the command. It looks at a `Case`: the rows of the run, and, where somebody has taken the time, what
was `Measured` of it. A rule that lacks its numbers says nothing. What several rules see is told in the order of
`runner/doctor/rules.py`: a cause before its consequences.
"""

from __future__ import annotations

import math
import shlex
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from runner.run import Run

Row = Mapping[str, float]
FEWEST = 4  # epochs: fewer rows have no shape


@dataclass(frozen=True)
class Inside:
    """The network at one theta, on a sample of the training examples.

    loss, gradient      what training descends there, and the norm of its gradient
    first_bad           the first activation, from 1, that is given something that is not finite
    units               for each activation, how many there are
    dead                for each, the share of units whose slope is 0 on every example
    saturated           for each, the share of inputs at which it is flat
    gates               for each, whether it is flat on one side by design, as a relu, which is no saturation
    backward            for each affine map, the root mean square of dL_i/dz, from the first to the last
    idle                the share of the loss at whose scores the loss itself is flat
    twins               for each hidden affine map, the share of units into which the same weights lead as into another
    """

    loss: float
    gradient: float
    first_bad: int | None
    units: tuple[int, ...]
    dead: tuple[float, ...]
    saturated: tuple[float, ...]
    gates: tuple[bool, ...]
    backward: tuple[float, ...]
    idle: float
    twins: tuple[float, ...]

    @property
    def finite(self) -> bool:
        return math.isfinite(self.loss) and math.isfinite(self.gradient)


@dataclass(frozen=True)
class Spread:
    """The inputs, after preprocessing.

    widest  the largest mean square of a column
    ratio   that, over the variance of the middle column
    """

    widest: float
    ratio: float


@dataclass(frozen=True)
class Slid:
    """Downhill from the last theta without noise: the losses of the data before, the lowest of them on the way."""

    before: float
    least: float
    val_before: float
    val_least: float


@dataclass(frozen=True)
class Last:
    """What is measured at the last theta alone.

    signal     ||g||^2 of the gradient g on the sample
    noise      the trace of the covariance of the gradient of a mini-batch; 0 where it is all the examples
    sharpness  the largest eigenvalue of the Hessian
    reach      by how much one more step of the rule could be longer and go on lowering the loss; nan: not known
    """

    inside: Inside
    signal: float
    noise: float
    sharpness: float
    slid: Slid
    reach: float


@dataclass(frozen=True)
class Measured:
    """What was measured of a run.

    neighbours  how the nearest training examples answer on the validation part: {"accuracy": ..., "loss": ...}, and
                the loss of support vectors: {"vectors": ...}; what is not known is left out
    last        None where there is no commit, or the network is not finite there
    """

    first: Inside
    spread: Spread
    neighbours: Mapping[str, float]
    last: Last | None


@dataclass(frozen=True)
class Case:
    """A run to be looked at.

    status      completed, diverged, or what else became of it
    n           training examples
    validation  validation examples
    chance      the loss of the best constant answer; nan where that is not known
    measured    None where only the rows are at hand
    """

    run: Run
    rows: Sequence[Row]
    status: str
    n: int
    validation: int
    chance: float
    measured: Measured | None = None

    @property
    def last(self) -> Last | None:
        return self.measured.last if self.measured else None

    @cached_property
    def train(self) -> list[float]:
        """The training loss of every epoch; of the data alone, without a penalty."""
        return [row["train_loss"] for row in self.rows]

    @cached_property
    def val(self) -> list[float]:
        """The validation loss of every epoch."""
        return [row["val_loss"] for row in self.rows]

    @property
    def best(self) -> int:
        """The epoch with the lowest validation loss, from 1."""
        return min(range(len(self.val)), key=lambda k: (not math.isfinite(self.val[k]), self.val[k])) + 1

    @property
    def in_batches(self) -> bool:
        """Whether a step sees a part of the examples alone."""
        return self.run.sampler.size(self.n) < self.n

    @property
    def long_enough(self) -> bool:
        """Whether it came to its end and its rows have a shape."""
        return self.status == "completed" and len(self.rows) >= FEWEST

    @property
    def steps_by_rate(self) -> bool:
        """Whether the rate sets the length of a step, as in no line search."""
        return self.run.optimizer.gradients != "freely"


@dataclass(frozen=True)
class Finding:
    """What a rule sees.

    seen    the measured numbers, in a sentence
    change  the words of the command to try next, beside those of the run
    """

    name: str
    seen: str
    change: tuple[str, ...]
    source: str


class Rule(ABC):
    """One sign of one fault."""

    name: ClassVar[str]
    source: ClassVar[str]

    @abstractmethod
    def look(self, case: Case) -> Finding | None:
        """What it sees, if anything."""

    def found(self, seen: str, *change: str) -> Finding:
        return Finding(self.name, seen, change, self.source)


def number(value: float) -> str:
    """A number for a sentence, with three digits.

    >>> number(0.012345), number(1234.5), number(3)
    ('0.0123', '1.23e+03', '3')
    """
    return f"{value:.3g}"


def times_rate(case: Case, factor: float) -> str:
    """The word for another base rate, with two digits.

    >>> from types import SimpleNamespace
    >>> times_rate(SimpleNamespace(run=SimpleNamespace(lr=0.3)), 0.1)
    'lr=0.03'
    """
    return f"lr={case.run.lr * factor:.2g}"


def command(given: str, change: Sequence[str]) -> str:
    """The command of a run with other words in it.

    A word that sets what a changed one sets is left out, with what belongs to the choice that is exchanged; so are
    the folder, which holds this run, and the gate, which it may have missed.

    >>> command("optrun lr=0.1 init=normal init.std=3 hydra.run.dir=a", ["init=kaiming_normal"])
    'optrun lr=0.1 init=kaiming_normal'
    >>> command("optrun optimizer.lr=0.1 'probe=[layers,distance]'", ["lr=0.01"])
    "optrun 'probe=[layers,distance]' lr=0.01"
    """
    first, *words = shlex.split(given)
    changed = {word.partition("=")[0] for word in change}
    changed |= {"optimizer.lr"} if "lr" in changed else set()
    rooms = tuple(f"{key}." for key in changed if "." not in key)

    def stays(word: str) -> bool:
        key = word.lstrip("+~").partition("=")[0].partition("@")[0]
        return not (key in changed or key.startswith((*rooms, "hydra.", "expect.")) or word in ("-m", "--multirun"))

    return shlex.join([first, *filter(stays, words), *change])
