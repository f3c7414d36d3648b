"""Typed and bounded values: the one place that says what an argument may be.

A choice is a frozen dataclass whose annotations carry the bounds, so that the same line is the type for the
checker, the bound at run time, and the range that `optrun list` prints:

    @dataclass(frozen=True)
    class Momentum(Choice):
        mu: Below1 = 0.9

Nothing is repaired: `true` is not 1, `2.5` is not 2, `nan` is no number. The one conversion is the exact one,
from an integer to the float of the same value (`betas=[0,0.999]`).
"""

from __future__ import annotations

import dataclasses
import math
import types
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from runner.core.errors import ConfigError, did_you_mean, shown

_HINTS: dict[type, dict[str, Any]] = {}


@dataclass(frozen=True)
class Range:
    """An interval for a number; `above` and `below` exclude their bound, `least` and `most` include it."""

    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None

    def __contains__(self, number: float) -> bool:
        return (
            (self.least is None or number >= self.least)
            and (self.above is None or number > self.above)
            and (self.most is None or number <= self.most)
            and (self.below is None or number < self.below)
        )

    def __str__(self) -> str:
        low = (
            f"[{self.least:g}" if self.least is not None else f"({self.above:g}" if self.above is not None else "(-inf"
        )
        high = f"{self.most:g}]" if self.most is not None else f"{self.below:g})" if self.below is not None else "inf)"
        return f"{low}, {high}"


LARGE = 1e30  # float32 ends at 3.4e38, and a rule may multiply its numbers
MANY = 1e15  # float64 tells whole numbers apart up to 9e15, and no memory and no life holds more

Number = Annotated[float, Range(least=-LARGE, most=LARGE)]
Rate = Annotated[float, Range(above=0, most=LARGE)]
Positive = Annotated[float, Range(above=0, most=LARGE)]
NonNegative = Annotated[float, Range(least=0, most=LARGE)]
Below1 = Annotated[float, Range(least=0, below=1)]
Unit = Annotated[float, Range(least=0, most=1)]
Share = Annotated[float, Range(above=0, below=1)]
Count = Annotated[int, Range(least=1, most=MANY)]
Depth = Annotated[int, Range(least=1, most=1000)]  # of parts that are made one by one, a millisecond each
Draws = Annotated[int, Range(least=1, most=10_000)]  # of what is computed anew each time, milliseconds to seconds each
Index = Annotated[int, Range(least=0)]


@dataclass(frozen=True)
class Choice:
    """A record of arguments, each checked against its annotation when the record is made.

    >>> @dataclass(frozen=True)
    ... class Momentum(Choice):
    ...     mu: Below1 = 0.9
    >>> Momentum(mu=0)
    Momentum(mu=0.0)
    >>> Momentum(mu=1.0)
    Traceback (most recent call last):
    runner.core.errors.ConfigError: mu=1.0 is refused
      allowed: a number in [0, 1)
      do this: give mu=... a value in that range; the default is 0.9
    """

    def __post_init__(self) -> None:
        hints = hints_of(type(self))
        for field in dataclasses.fields(self):
            given = getattr(self, field.name)
            object.__setattr__(self, field.name, checked(field.name, given, hints[field.name], default_of(field)))

    @property
    def label(self) -> str:
        """This choice in short, for a header: its name in the menu, and the arguments that are not at their default."""
        kind = type(self)
        name = kind.__module__.rpartition(".")[2] if kind.__module__.startswith("runner.") else kind.__name__
        return " ".join([name, *self.changed()])

    def changed(self) -> list[str]:
        """`name=value` for every argument that is not at its default, but for tables of choices."""
        given = {field.name: (getattr(self, field.name), default_of(field)) for field in dataclasses.fields(self)}
        return [f"{k}={named(v)}" for k, (v, default) in given.items() if v != default and not isinstance(v, dict)]


def named(value: Any) -> str:
    """An argument for a label: a choice by its own label, anything else as it would be typed.

    >>> named(0.5), named([1, 2])
    ('0.5', '[1,2]')
    """
    if not isinstance(value, Choice):
        return shown(value)
    return f"({value.label})" if value.changed() else value.label


def hints_of(cls: type) -> dict[str, Any]:
    """The annotation of every argument of a choice, with its `Range`; read once, since that takes 0.1 ms."""
    if cls not in _HINTS:
        _HINTS[cls] = get_type_hints(cls, include_extras=True)
    return _HINTS[cls]


def default_of(field: dataclasses.Field[Any]) -> Any:
    """The default of an argument, or `dataclasses.MISSING`."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def arguments(cls: type[Choice]) -> dict[str, tuple[Any, Any]]:
    """Name -> (annotation, default) of every argument of a choice, in the order of the dataclass."""
    return {f.name: (hints_of(cls)[f.name], default_of(f)) for f in dataclasses.fields(cls)}


def only_known(cls: type[Choice], given: dict[str, Any], extra: tuple[str, ...] = ()) -> None:
    """Refuse an argument that the class does not have."""
    known = [*arguments(cls), *extra]
    for key, value in given.items():
        if key not in known:
            raise ConfigError(
                str(key),
                value,
                allowed=f"the arguments of {cls.__name__}: {', '.join(known) or 'none'}",
                do=f"{did_you_mean(str(key), known)}remove it or use one of these",
            )


def checked(key: str, given: Any, annotation: Any, default: Any = dataclasses.MISSING) -> Any:
    """`given` if the annotation allows it, else `ConfigError` with the key, the range and what to do."""
    try:
        return _convert(given, annotation)
    except _Refused as refused:
        hint = "" if default is dataclasses.MISSING else f"; the default is {shown(default)}"
        do = f"give {key}=... {refused.wanted}{hint}"
        raise ConfigError(key, "''" if given == "" else given, allowed=spelled(annotation), do=do) from None


class _Refused(Exception):
    def __init__(self, wanted: str) -> None:
        self.wanted = wanted


def _convert(given: Any, annotation: Any) -> Any:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        value = _convert(given, parts[0])
        for bound in parts[1:]:
            if isinstance(bound, Range) and value not in bound:
                raise _Refused("a value in that range")
        return value
    if origin in (Union, types.UnionType):
        for part in parts:
            try:
                return _convert(given, part)
            except _Refused:
                continue
        raise _Refused("one of these")
    if origin is Literal:
        if isinstance(given, bool) or given not in parts:
            raise _Refused(f"one of these{_near(given, parts)}")
        return given
    if origin in (tuple, list):
        return _convert_sequence(given, parts)
    if origin is type:
        return _convert_plain(given, type)
    if origin is dict:
        if not isinstance(given, dict):
            raise _Refused("a mapping {name: value}")
        return {_convert(name, parts[0]): _convert(item, parts[1]) for name, item in given.items()}
    return _convert_plain(given, annotation)


def _convert_sequence(given: Any, parts: tuple[Any, ...]) -> tuple[Any, ...]:
    if not isinstance(given, list | tuple):
        raise _Refused("a list in square brackets")
    if len(parts) == 2 and parts[1] is Ellipsis:
        return tuple(_convert(item, parts[0]) for item in given)
    if len(parts) == 1:
        return tuple(_convert(item, parts[0]) for item in given)
    if len(given) != len(parts):
        raise _Refused(f"a list of {len(parts)} values")
    return tuple(_convert(item, part) for item, part in zip(given, parts, strict=True))


def _convert_plain(given: Any, annotation: Any) -> Any:
    if annotation is Any:
        return given
    if annotation is None or annotation is types.NoneType:
        if given is not None:
            raise _Refused("null")
        return None
    if annotation is float:
        if isinstance(given, bool) or not isinstance(given, int | float):
            raise _Refused("a number")
        try:
            number = float(given)
        except OverflowError:
            raise _Refused("a finite number") from None
        if not math.isfinite(number):
            raise _Refused("a finite number")
        if number != given:
            raise _Refused("a number that 64 bits hold exactly")
        return number
    if annotation is int and (isinstance(given, bool) or not isinstance(given, int)):
        raise _Refused("a whole number")
    if not isinstance(given, annotation):
        raise _Refused(f"{spelled(annotation)}")
    return given


def _near(given: Any, parts: tuple[Any, ...]) -> str:
    hint = did_you_mean(str(given), [str(part) for part in parts]).strip()
    return f" ({hint})" if hint else ""


def spelled(annotation: Any) -> str:
    """An annotation in words, for messages and for `optrun list`.

    >>> spelled(Positive), spelled(Count), spelled(tuple[Below1, Below1])
    ('a number in (0, 1e+30]', 'a whole number in [1, 1e+15]', '[a number in [0, 1), a number in [0, 1)]')
    """
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        bounds = [str(part) for part in parts[1:] if isinstance(part, Range)]
        return " in ".join([spelled(parts[0]), *bounds])
    if origin in (Union, types.UnionType):
        return " or ".join(spelled(part) for part in parts)
    if origin is Literal:
        return " | ".join(shown(part) for part in parts)
    if origin in (tuple, list):
        if len(parts) == 1 or parts[1:] == (Ellipsis,):
            return f"a list of values, each {spelled(parts[0])}"
        return "[" + ", ".join(spelled(part) for part in parts) + "]"
    if origin is dict:
        return f"named values, each {spelled(parts[1])}"
    names = {float: "a number", int: "a whole number", str: "a text", bool: "true or false", types.NoneType: "null"}
    return names.get(annotation, getattr(annotation, "__name__", str(annotation)))
