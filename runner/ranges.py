"""Ranges of values, as `optrun tune` takes them from a command: what they look like is Hydra's own grammar.

lr=interval(1e-4,1)               every number between the two
batch_size=int(interval(16,256))  every whole number between the two
lr=tag(log,interval(0.1,1))       on the scale that is named: log or linear
architecture.hidden=[32],[64]     one of a list, without an order
epochs=range(5,30,5)              one of a list, in order
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from runner.core.errors import ConfigError
from runner.core.seeds import is_seed
from runner.grammar import lenient, plain

DIGITS = 4  # of a drawn number: its logarithm moves by 5e-5 at most, and a person can type it
MOST = 1000  # values of a list

Scale = Literal["log", "linear"]


@dataclass(frozen=True)
class Listed:
    """One of some values, which are kept as text.

    key      as people write it
    element  the same with the marks that Hydra wants
    ordered  whether neighbours are alike
    """

    key: str
    element: str
    text: str
    values: tuple[str, ...]
    ordered: bool

    @property
    def told(self) -> str:
        """How it is searched, in words."""
        return f"one of {len(self.values)}" + (", in order" if self.ordered else "")

    def place(self, value: str) -> float | None:
        """Where a value lies between the ends, from 0 to 1; None without an order."""
        if not self.ordered or len(self.values) < 2:
            return None
        return self.values.index(value) / (len(self.values) - 1)

    @property
    def ends(self) -> tuple[str, str]:
        return self.values[0], self.values[-1]

    def spelled(self, drawn: Any) -> str:
        """A drawn value, or the place of one in an order, as a person would type it."""
        return self.values[drawn] if self.ordered else str(drawn)


@dataclass(frozen=True)
class Interval:
    """The numbers from `low` to `high`.

    scale  on which they are drawn evenly; None: not decided yet
    whole  whether whole numbers alone count
    why    the reason for the scale, in words
    """

    key: str
    element: str
    text: str
    low: float
    high: float
    scale: Scale | None
    whole: bool
    why: str = "as it was asked for"

    @property
    def told(self) -> str:
        return f"{'whole numbers, ' if self.whole else ''}{self.scale}, {self.why}"

    def place(self, value: str) -> float | None:
        """Where a value lies between the ends, from 0 to 1, on its scale."""
        low, at, high = (math.log(x) if self.scale == "log" else x for x in (self.low, float(value), self.high))
        return (at - low) / (high - low)

    @property
    def ends(self) -> tuple[str, str]:
        return bare(self.low), bare(self.high)

    def spelled(self, drawn: Any) -> str:
        """A drawn number as a person would type it, within the interval.

        >>> Interval("lr", "lr", "", 1e-4, 1, "log", False).spelled(0.0123456)
        '0.01235'
        >>> Interval("mu", "mu", "", 0, 0.9, "linear", False).spelled(0.123456)
        '0.12346'
        """
        if self.whole:
            return str(int(drawn))
        if self.scale == "log":
            rounded = float(f"{drawn:.{DIGITS}g}")
        else:
            rounded = round(drawn, DIGITS - math.floor(math.log10(self.high - self.low)))
        return repr(min(max(rounded, self.low), self.high))


Range = Listed | Interval


def bare(number: float) -> str:
    """A number as text; whole ones without a point, which is right for counts and for all others.

    >>> bare(16.0), bare(0.5)
    ('16', '0.5')
    """
    return str(int(number)) if number == int(number) else repr(number)


def parted(arguments: Iterable[str]) -> tuple[list[str], list[Range]]:
    """(the overrides that are the same for all trials, the ranges) of a command. Raises `ConfigError`."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    fixed: list[str] = []
    ranges: list[Range] = []
    for argument in lenient(list(arguments)):
        (override,) = OverridesParser.create().parse_overrides([argument])
        key, _, text = plain(argument).partition("=")
        if not override.is_sweep_override():
            refuse_inside(key, text, override.value())
            fixed.append(argument)
            continue
        found = interval(key, text, override) if not override.is_discrete_sweep() else listed(key, text, override)
        refuse_untunable(found, ranges)
        ranges.append(found)
    return fixed, ranges


def interval(key: str, text: str, override: Any) -> Interval:
    """`interval(a,b)`, checked."""
    given = override.value()
    low, high, tags = given.start, given.end, sorted(given.tags)
    if not (low < high and math.isfinite(low) and math.isfinite(high)):
        allowed = "interval(LOW,HIGH) with two finite numbers, LOW below HIGH"
        swapped = f"give {key}=interval({bare(high)},{bare(low)})" if math.isfinite(low) and high < low else ""
        raise ConfigError(key, text, allowed=allowed, do=swapped or f"give {key}=interval(0.001,1), say")
    if tags not in ([], ["log"], ["linear"]):
        do = f"leave the tag out, or give {key}=tag(log,interval({bare(low)},{bare(high)}))"
        raise ConfigError(key, text, allowed="the tag log or the tag linear", do=do)
    if tags == ["log"] and low <= 0:
        do = f"give a lower end above 0, or {key}=interval({bare(low)},{bare(high)})"
        raise ConfigError(key, text, allowed="numbers above 0, which alone have a logarithm", do=do)
    whole = isinstance(low, int) and isinstance(high, int)
    scale: Scale | None = "log" if tags == ["log"] else "linear" if tags else None
    return Interval(key, override.get_key_element(), text, low, high, scale, whole)


def listed(key: str, text: str, override: Any) -> Listed:
    """`a,b`, `choice(a,b)`, `range(a,b)`: the values once each."""
    from hydra.core.override_parser.types import RangeSweep

    try:
        values = tuple(dict.fromkeys(islice(override.sweep_string_iterator(), MOST + 1)))
    except (ValueError, ArithmeticError) as error:
        raise ConfigError(key, text, allowed="a list of values", do=f"give {key}=A,B ({error})") from None
    if not 0 < len(values) <= MOST:
        do = f"give {key}=A,B, or {key}=interval(LOW,HIGH) for numbers"
        raise ConfigError(key, text, allowed=f"1 to {MOST} values", do=do)
    return Listed(key, override.get_key_element(), text, values, isinstance(override.value(), RangeSweep))


def refuse_inside(key: str, text: str, value: Any) -> None:
    """Refuse a range that is a part of a value."""
    from hydra.core.override_parser.types import Sweep

    parts = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    if any(isinstance(part, Sweep) for part in parts):
        do = f"give whole values: {key}=[32],[64]"
        raise ConfigError(key, text, allowed="a range as the whole value of a key", do=do)


def refuse_untunable(found: Range, before: Iterable[Range]) -> None:
    """Refuse a second range of one key, and keys whose best value says nothing."""
    key, text = found.key, found.text
    if any(other.key == key for other in before):
        raise ConfigError(key, text, allowed="every range once", do="give one range for each key")
    if is_seed(key):
        do = f"give one number, and repeat the best setting with -m {key}=range(5)"
        raise ConfigError(key, text, allowed="no range: the best seed is the luckiest one", do=do)
    if key.split(".")[0].startswith("hydra"):
        raise ConfigError(key, text, allowed="one value", do="leave it out, or give a single value")
