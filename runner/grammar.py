"""The grammar of a command: what a user types, as Hydra understands it, and back again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from functools import cache
from typing import Any

from runner import menu
from runner.core.errors import ConfigError

CONF = menu.conf_dir()
NAME_MAX = 256  # bytes, on every file system in use
LONG = 60  # characters of a value that are repeated


def lenient(arguments: list[str]) -> list[str]:
    """Overrides that Hydra accepts also for unknown keys, so that unknown keys have one judge, `build`.

    Hydra would answer `lrr=0.1` with the advice to write `+lrr=0.1`, and then accept that.

    An argument that is a choice of its own room is chosen by name like the room itself, and several probes or recorders
    each by its.

    >>> lenient(["optimizer=adam", "lrr=0.1", "+x=1", "hydra.run.dir=a", "-m"])
    ['optimizer=adam', '++lrr=0.1', '+x=1', 'hydra.run.dir=a', '-m']
    >>> lenient(["schedule.then=cosine,staircase", "schedule.then.floor=0.1", "optimizer.inner.inner=adam"])
    ['schedule@schedule.then=cosine,staircase', '++schedule.then.floor=0.1', 'optimizer@optimizer.inner.inner=adam']
    """
    kept = {"hydra", *(path.name for path in CONF.iterdir() if path.is_dir())}

    def unknown_to_hydra(argument: str) -> bool:
        key = re.match(r"[A-Za-z_][\w.]*(?==)", argument)
        return key is not None and key[0] not in kept and not key[0].startswith("hydra.")

    apart = [each for argument in arguments for each in one_by_one(argument)]
    chosen = [f"{room}@{argument}" if (room := room_within(argument)) else argument for argument in apart]
    return [f"++{argument}" if unknown_to_hydra(argument) else argument for argument in chosen]


def one_by_one(argument: str) -> list[str]:
    """A list of probes, or of recorders, as the choice of `several`, and of each of them.

    >>> one_by_one("probe=[distance,sharpness]")
    ['probe=several', '+probe@probe.of.distance=distance', '+probe@probe.of.sharpness=sharpness']
    >>> one_by_one("recorder=[tensorboard]")
    ['recorder=several', '+recorder@recorder.of.tensorboard=tensorboard']
    >>> one_by_one("probe=distance")
    ['probe=distance']

    Raises `ConfigError` for one that stands in it twice.
    """
    listed = re.fullmatch(r"(probe|recorder)=\[(\w+(?:, *\w+)*)\]", argument)
    if not listed:
        return [argument]
    room, names = listed[1], re.split(", *", listed[2])
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise ConfigError(
            room,
            f"[{','.join(names)}]",
            allowed=f"each {room} once; more than once there is {', '.join(twice)}",
            do=f"give '{room}=[{','.join(dict.fromkeys(names))}]'",
        )
    return [f"{room}=several", *(f"+{room}@{room}.of.{name}={name}" for name in names)]


def room_within(argument: str) -> str:
    """The room, where an argument chooses by name a choice inside a choice of the same room; else nothing.

    >>> room_within("schedule.then=cosine"), room_within("optimizer.inner.inner=adam"), room_within("schedule.floor=0")
    ('schedule', 'optimizer', '')
    """
    key, _, value = argument.partition("=")
    room, *names = key.split(".")
    inner = inner_choices().get(room, set())
    return room if names and inner.issuperset(names) and not value.startswith("{") else ""


def names_in(given: Any) -> list[Any]:
    """What stands for a choice in the value of an override: itself, or each of a list or a sweep."""
    from hydra.core.override_parser.types import ChoiceSweep

    match given:
        case ChoiceSweep():
            return given.list
        case list():
            return given
        case _:
            return [given]


def chosen_at(arguments: Sequence[str], room: str, name: str) -> str:
    """The key at which a choice was asked for by its name: the room, or a place within a choice of the room.

    >>> chosen_at(["schedule=warmup", "schedule.then='cosin'"], "schedule", "cosin")
    'schedule.then'
    """
    keys = (argument.partition("=")[::2] for argument in arguments if room_within(argument) == room)
    return next((key for key, value in keys if value.strip("'\"") == name), room)


def refuse_unreadable(arguments: Sequence[str]) -> None:
    """Refuse what Hydra cannot read, and a choice that is given by something else than a name: both before Hydra, which
    stops at some of them with a traceback.

    >>> refuse_unreadable(["optimizer=adam,sgd", "lr=3"])
    >>> refuse_unreadable(["optimizer=3"])
    Traceback (most recent call last):
    runner.core.errors.ConfigError: optimizer=3 is refused
      allowed: the name of a choice
      do this: choose one from `optrun list optimizer`
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import IntervalSweep, RangeSweep
    from hydra.errors import HydraException

    no_names = (int, float, list, type(None), RangeSweep, IntervalSweep)

    def is_no_name(one: Any) -> bool:
        return isinstance(one, no_names) or (isinstance(one, str) and ".." in one.split("/"))

    for argument in arguments:
        key, _, value = argument.lstrip("+").partition("=")
        try:
            (parsed,) = OverridesParser.create().parse_overrides([argument])
            if not 0 < len(key) < NAME_MAX:
                raise ValueError("no key, or one that is too long for the file which Hydra looks for")
        except (HydraException, ValueError, RecursionError):
            raise ConfigError(
                key[:LONG],
                value[:LONG],
                allowed="key=value, with a number, a word, 'a text', [a,list] or {a:mapping} as the value",
                do="put a text with other characters into quotes of its own: \"key='any text'\"",
            ) from None
        room = room_within(argument) or key.partition("@")[0]
        named = room in room_names() or re.match("hydra(/|$)", key)
        if named and parsed.is_delete() is False and any(map(is_no_name, names_in(parsed.value()))):
            do = f"choose one from `optrun list {room}`" if room in room_names() else "see Hydra's documentation"
            raise ConfigError(key, value, allowed="the name of a choice", do=do)


@cache
def room_names() -> set[str]:
    """The groups in conf/: `optimizer`, `architecture/activation`."""
    return {str(path.relative_to(CONF)) for path in CONF.rglob("*") if path.is_dir()}


@cache
def inner_choices() -> dict[str, set[str]]:
    """Room -> the arguments of its choices that some yaml fills with another choice of the room."""
    found: dict[str, set[str]] = {}
    for path in CONF.glob("*/*.yaml"):
        room, text = path.parent.name, path.read_text(encoding="utf-8")
        found.setdefault(room, set()).update(re.findall(rf"^ +- /{room}@(\w+):", text, re.MULTILINE))
    return found


def plain(override: str) -> str:
    """An override as the user gave it, without the marks of `lenient`.

    >>> plain("++lr=0.1"), plain("schedule@schedule.then=cosine")
    ('lr=0.1', 'schedule.then=cosine')
    >>> plain("+stop@stop.rules.target=target")
    '+stop@stop.rules.target=target'
    """
    room, _, rest = override.lstrip("+").partition("@")
    if room and rest and room_within(rest) == room:
        return rest
    return override if "@" in override.partition("=")[0] else override.lstrip("+")


def plugin_names(arguments: list[str]) -> tuple[str, ...]:
    """The packages in `plugins=[...]` on the command line, the only place that may name any."""
    names: list[str] = []
    for argument in arguments:
        if argument.lstrip("+").startswith("plugins="):
            names += [name.strip("'\" ") for name in argument.split("=", 1)[1].strip("[]").split(",")]
    return tuple(name for name in names if name)


def spelled(arguments: Sequence[str]) -> str:
    """The command as one could type it again."""
    return shlex.join(["optrun", *(a.lstrip("+") if a.startswith("++") else a for a in arguments)])
