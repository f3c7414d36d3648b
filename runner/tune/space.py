"""What is searched: the ranges of a command, each on the scale of its quantity.

A quantity that may be any number above 0 (a learning rate, a weight decay, eps, a batch size) is searched by its
logarithm: 1e-4 and 1e-3 differ as 0.1 and 1 do. What has an upper bound of its own (momentum, dropout, a share) is
searched evenly. So the rule is

    logarithmic  if  LOW > 0  and the quantity has 0 or 1 as its least value and no largest one,
                 or, where the quantity is not known (an argument of somebody else's class),  HIGH >= 100 LOW
    linear       otherwise

and the tags log and linear of Hydra's grammar say it otherwise. What is a whole number is drawn as one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, get_args

from runner.core.check import MANY, Count, Range, hints_of
from runner.core.errors import ConfigError
from runner.ranges import Interval, Listed
from runner.run import Run

WIDE = 100.0  # HIGH / LOW from which on an unknown quantity is searched by its logarithm: two orders of magnitude
EDGE = 0.05  # share of a range that counts as its end: of values drawn evenly, one in ten lies there

Space = Sequence[Interval | Listed]


def settled(space: Space, run: Run) -> list[Interval | Listed]:
    """The ranges with the scale of their quantity, as the run `run` has it."""
    return [scaled(each, quantity(run, each.key)) if isinstance(each, Interval) else each for each in space]


def quantity(run: Run, key: str) -> Any:
    """The annotation of what stands at a key; None where that is not an argument of a choice of this house."""
    if key == "batch_size":  # of the sampler, where `all` is a size, too
        return Count
    *way, last = key.split(".")
    node: Any = run
    for name in way:
        inside = node if isinstance(node, Mapping) else known(node)
        if name not in inside:
            return None
        node = inside[name]
    return hints_of(type(node)).get(last) if last in known(node) else None


def known(node: Any) -> dict[str, Any]:
    """The arguments of a choice."""
    return {field.name: getattr(node, field.name) for field in fields(node)} if is_dataclass(node) else {}


def scaled(given: Interval, annotation: Any) -> Interval:
    """An interval on the scale of its quantity."""
    whole = given.whole or next(plain_types(annotation), None) is int
    if whole and (given.low != int(given.low) or given.high != int(given.high)):
        do = f"give {given.key}=interval({int(given.low)},{int(given.high)})"
        raise ConfigError(given.key, given.text, allowed="whole numbers as its ends", do=do)
    if given.scale is not None:
        return replace(given, whole=whole)
    bounds = next(ranges_in(annotation), None)
    if given.low <= 0:
        why = "which has a place for 0" if given.low == 0 else "which has a place for negative numbers"
        return replace(given, whole=whole, scale="linear", why=why)
    if bounds is None:
        wide = given.high >= WIDE * given.low
        why = f"since it covers a factor of {given.high / given.low:.3g}"
        return replace(given, whole=whole, scale="log" if wide else "linear", why=why)
    if open_above(bounds):
        return replace(given, whole=whole, scale="log", why=f"for a quantity in {bounds}")
    return replace(given, whole=whole, scale="linear", why=f"for a quantity in {bounds}")


def open_above(bounds: Range) -> bool:
    """Whether a quantity goes from nothing to anything."""
    least = bounds.above if bounds.least is None else bounds.least
    most = bounds.below if bounds.most is None else bounds.most
    return least in (0, 1) and (most is None or most >= MANY)


def ranges_in(annotation: Any) -> Iterator[Range]:
    """The bounds in an annotation, the first alternative first."""
    for part in get_args(annotation):
        if isinstance(part, Range):
            yield part
        yield from ranges_in(part)


def plain_types(annotation: Any) -> Iterator[type]:
    """The types in an annotation that hold one value: int of Count."""
    if annotation in (int, float):
        yield annotation
    for part in get_args(annotation):
        yield from plain_types(part)


def corners(space: Space) -> list[dict[str, str]]:
    """Settings that try every end of every interval and every listed value once: what is refused is refused there.

    >>> corners([Listed("a", "a", "", ("x", "y"), False), Interval("b", "b", "", 1, 2, None, False)])
    [{'a': 'x', 'b': '1'}, {'a': 'x', 'b': '2'}, {'a': 'y', 'b': '1'}]
    """
    low = {each.key: each.ends[0] for each in space}
    high = low | {each.key: each.ends[1] for each in space if isinstance(each, Interval)}
    others = [low | {each.key: value} for each in space if isinstance(each, Listed) for value in each.values if value]
    return list({tuple(one.items()): one for one in (low, high, *others)}.values())


def at_the_edge(space: Space, setting: Mapping[str, str]) -> list[str]:
    """A sentence for every range near whose end a setting lies.

    >>> at_the_edge([Interval("b", "b", "interval(1,3)", 1, 3, "linear", False)], {"b": "2.95"})
    ['b=2.95 lies at the upper edge of interval(1,3): look beyond it']
    """
    found = []
    for each in space:
        place = each.place(setting[each.key])
        if place is not None and not EDGE < place < 1 - EDGE:
            end = "lower" if place <= EDGE else "upper"
            found.append(f"{each.key}={setting[each.key]} lies at the {end} edge of {each.text}: look beyond it")
    return found
