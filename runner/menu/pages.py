"""`optrun list`: all rooms, one room, one choice."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from runner.core.errors import ConfigError, did_you_mean, shown
from runner.menu.catalogue import Argument, Entry, Own, Room, own, problems, rooms
from runner.menu.text import bold, columns, fitted, joined, paragraph, verbatim

TARGET = Argument("_target_", str, dataclasses.MISSING, "the dotted path of a class; its arguments go beside it")


def listing(words: Sequence[str], width: int = 80, colour: bool = False, config_dir: Path | None = None) -> str:
    """The page that `optrun list WORDS...` asks for: nothing, a room, a choice, or a room and its choice.

    Raises `ConfigError` for a name that is neither.
    """
    match list(words):
        case []:
            return overview(width, colour, config_dir)
        case ["problem"]:
            return problem_page(width, colour)
        case [name] if name in room_names():
            return room(name, width, colour, config_dir)
        case [name]:
            return choice("", name, width, colour, config_dir)
        case [place, name]:
            return choice(place, name, width, colour, config_dir)
        case _:
            raise refused(" ".join(words), "one room, one choice, or a room and its choice", "", [])


def overview(width: int = 80, colour: bool = False, config_dir: Path | None = None) -> str:
    """Every room with its meaning and its choices, one sentence each."""
    width = fitted(width)
    left = 6 + max(len(name) for place in rooms() for name in place.names)
    lines = paragraph("What can be chosen, as in optimizer=adam; * is what you get if you say nothing.", width)
    for place in rooms():
        lines += ["", *headline(place, width, colour)]
        marks = ["*" if name == place.default else " " for name in place.names]
        rows = [(f"{mark} {entry.name}", entry.sentence) for mark, entry in zip(marks, place.choices, strict=True)]
        lines += columns(rows, width, left, indent=1)
    lines += ["", *problem_lines(width, colour, left)]
    lines += own_lines(own(config_dir) if config_dir else [], config_dir, width, colour)
    lines += ["", *paragraph("More of one room, or of one choice:", width)]
    lines += columns(
        [
            ("optrun list optimizer", "formulas, arguments, sources"),
            ("optrun list optimizer adam", "with symbols explained, and an example"),
        ],
        width,
        left=31,
    )
    return joined(lines)


def problem_lines(width: int, colour: bool, left: int) -> list[str]:
    """Every function that can be minimized without data."""
    title = "problem: functions of the parameters instead of data, as in problem=rosenbrock."
    first, *others = paragraph(title, width, hang=2)
    rows = [(f"  {one.name}", one.meaning) for one in problems()]
    return [bold("problem", colour) + first[len("problem") :], *others, *columns(rows, width, left, indent=1)]


def problem_page(width: int, colour: bool) -> str:
    """Every function with a command to try; its formula is on the page of the loss."""
    width = fitted(width)
    lines = problem_lines(width, colour, left=6 + max(len(one.name) for one in problems()))
    lines += ["", *paragraph("Formulas: `optrun list loss NAME`. To try them:", width), ""]
    return joined([*lines, *(f"  {one.command}" for one in problems())])


def room(name: str, width: int = 80, colour: bool = False, config_dir: Path | None = None) -> str:
    """One room: its theory, and each choice with formula, arguments and source."""
    width = fitted(width)
    place = found_room(name)
    lines = headline(place, width, colour)
    for block in place.theory:
        lines += ["", *(verbatim(block, width) if block.startswith("    ") else paragraph(block, width))]
    shared = common(place)
    for entry in place.choices:
        lines += ["", *head(entry, place, width, colour)]
        lines += arguments([one for one in entry.arguments if one not in shared], entry, width, colour)
        lines += closing("Source", entry.source, width, colour)
    if shared:
        others = [entry.name for entry in place.choices if not any(one in shared for one in entry.arguments)]
        title = f"every {place.name}" + (f" but {', '.join(others)}" if others else "")
        lines += ["", *(bold(line, colour) for line in paragraph(title, width, hang=2))]
        lines += arguments(shared, place.choices[0], width, colour)[1:]
    if config_dir:
        lines += own_lines([mine for mine in own(config_dir) if mine.room == name], config_dir, width, colour)
    lines += ["", *paragraph(f"`optrun list {name} NAME` explains the symbols of one of them.", width)]
    return joined(lines)


def choice(place: str, name: str, width: int = 80, colour: bool = False, config_dir: Path | None = None) -> str:
    """One choice of a room, whole; where the room is "", those of every room that have this name."""
    width = fitted(width)
    searched = [found_room(place)] if place else list(rooms())
    mine = [one for one in (own(config_dir) if config_dir else []) if one.name == name and place in ("", one.room)]
    pages = [whole(one[name], one, width, colour) for one in searched if name in one.names]
    if mine:
        pages.append(own_lines(mine, config_dir, width, colour)[1:])
    if not pages:
        known = [known for one in searched for known in one.names]
        if place:
            raise refused(f"{place} {name}", f"the choices of {place}: {', '.join(known)}", name, known)
        allowed = f"a room ({', '.join(room_names())}), problem, or the name of a choice"
        raise refused(name, allowed, name, [*room_names(), *known])
    return joined([line for page in pages for line in ["", *page]][1:])


def whole(entry: Entry, place: Room, width: int, colour: bool) -> list[str]:
    """All that there is to say of a choice."""
    lines = head(entry, place, width, colour)
    for block in entry.prose:
        lines += ["", *(verbatim if block.startswith("    ") else paragraph)(block, width, 2)]
    lines += arguments(entry.arguments, entry, width, colour)
    lines += ["", *verbatim(entry.example, width, indent=2)] if entry.example else []
    lines += closing("Source", entry.source, width, colour)
    lines += closing("Here", entry.here, width, colour)
    lines += closing("Class", entry.target, width, colour)
    return lines


def headline(place: Room, width: int, colour: bool) -> list[str]:
    """`optimizer: how theta moves, given an objective to ask.`"""
    first, *others = paragraph(f"{place.name}: {place.meaning.partition(': ')[2]}", width, hang=2)
    return [bold(place.name, colour) + first[len(place.name) :], *others]


def head(entry: Entry, place: Room, width: int, colour: bool) -> list[str]:
    """How to ask for a choice, its sentence and its formula."""
    remarks = ["default"] if entry.name == place.default else []
    remarks += [f"lr={entry.lr} unless you give another"] if entry.lr else []
    title = f"{entry.room}={entry.name}"
    first, *others = paragraph(f"{title}  ({'; '.join(remarks)})" if remarks else title, width, hang=4)
    lines = [bold(title, colour) + first[len(title) :], *others, *paragraph(entry.sentence, width, 2)]
    return [*lines, "", *verbatim(entry.formula, width, indent=6)] if entry.formula else lines


def arguments(given: Sequence[Argument], entry: Entry, width: int, colour: bool) -> list[str]:
    """Each argument as it is typed, with its default, what it may be, and its meaning below."""
    if entry.open:  # the class that will be named has arguments of its own
        given = (dataclasses.replace(TARGET, default=entry.open),)
    lines: list[str] = [""] if given else []
    for meaning, group in groupby(given, key=lambda argument: argument.meaning):
        for argument in group:
            typed, allowed = spoken(argument, entry.room)
            first, *others = paragraph(f"{typed}   {allowed}", width, indent=2, hang=4)
            lines += [bold(first[: 2 + len(typed)], colour) + first[2 + len(typed) :], *others]
        lines += paragraph(meaning, width, indent=8)
    return lines


def spoken(argument: Argument, place: str) -> tuple[str, str]:
    """`optimizer.eps=1e-08` and `a number in (0, 1e+30]`."""
    name = f"{place.replace('/', '.')}.{argument.name}"
    if argument.choice:
        inner = f"{place}/{argument.name}"
        return f"{inner}={argument.choice}", f"`optrun list {inner}`"
    if argument.parts:
        return name, f"{argument.allowed}; {' and '.join(argument.parts)} unless you give others"
    if argument.part:
        return f"{name}={argument.part}", f"a choice of {place}, by name; its arguments as {name}.ARGUMENT=..."
    if argument.default is dataclasses.MISSING or argument.default == "???":
        return f"{name}=...", f"{argument.allowed}; has to be given"
    follows = f"; follows {argument.follows}=..." if argument.follows else ""
    return f"{name}={shown(argument.default)}", argument.allowed + follows


def common(place: Room) -> list[Argument]:
    """The arguments that most choices of a room have alike, where there are several."""
    every: list[Argument] = []
    for entry in place.choices:
        every += [one for one in entry.arguments if one not in every]
    having = [sum(one in entry.arguments for entry in place.choices) for one in every]
    return [one for one, n in zip(every, having, strict=True) if n > max(1, len(place.choices) / 2)]


def closing(title: str, text: str, width: int, colour: bool) -> list[str]:
    """A titled paragraph, where there is one."""
    if not text:
        return []
    first, *others = paragraph(f"{title}: {text}", width, indent=2)
    return ["", first.replace(title, bold(title, colour), 1), *others]


def own_lines(mine: Sequence[Own], folder: Path | None, width: int, colour: bool) -> list[str]:
    """The user's choices, each with the class that it names."""
    if not mine:
        return []
    rows = [(f"{one.room}={one.name}", one.target) for one in mine]
    left = 4 + max(len(name) for name, _ in rows)
    return ["", bold(f"Yours, in {folder}", colour), *columns(rows, width, left)]


def found_room(name: str) -> Room:
    """The room of this name, else `ConfigError`."""
    for place in rooms():
        if place.name == name:
            return place
    raise refused(name, f"the rooms {', '.join(room_names())}", name, room_names())


def room_names() -> list[str]:
    return [place.name for place in rooms()]


def refused(words: str, allowed: str, given: str, known: list[str]) -> ConfigError:
    do = f"{did_you_mean(given, known)}`optrun list` shows them all"
    return ConfigError(f"optrun list {words}", "", allowed=allowed, do=do)
