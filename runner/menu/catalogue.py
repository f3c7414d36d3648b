"""What there is to choose, gathered from the source of the rooms and from conf/.

The sources say what a choice means and what its arguments may be; conf/ says what a run takes when nothing is said:
the rooms and their default choices, the plain keys with their comments, an optimizer's learning rate, and which
arguments follow a plain key (`epochs: ${epochs}`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from runner.core.check import spelled
from runner.core.errors import ConfigError
from runner.menu import docstring, source

RUNNER = Path(__file__).parents[1]


@dataclass(frozen=True)
class Argument:
    """One argument of a choice.

    annotation  its type with its range, as in the class
    default     `dataclasses.MISSING` where it has to be given
    follows     the plain key that it is set to, if any
    parts       the choices of its own room that it is composed of, if any
    part        the choice of its own room that it is, if it is one
    choice      the default choice of the room inside the room that it is chosen from, if any
    """

    name: str
    annotation: Any
    default: Any
    meaning: str
    follows: str = ""
    parts: tuple[str, ...] = ()
    part: str = ""
    choice: str = ""

    @property
    def allowed(self) -> str:
        return spelled(self.annotation)


@dataclass(frozen=True)
class Entry:
    """One choice.

    target  the dotted path of its class
    lr      the learning rate that comes with it, if it is an optimizer: a number, or that of the rule inside it
    open    the `_target_` in its yaml, where that is not of this package: the user may name another there
    """

    room: str
    name: str
    target: str
    sentence: str
    formula: str
    prose: tuple[str, ...]
    arguments: tuple[Argument, ...]
    example: str
    source: str
    here: str
    lr: str = ""
    open: str = ""


@dataclass(frozen=True)
class Room:
    """A role with its choices; `theory` is the rest of its docstring."""

    name: str
    meaning: str
    theory: tuple[str, ...]
    default: str
    choices: tuple[Entry, ...]

    def __getitem__(self, name: str) -> Entry:
        return next(entry for entry in self.choices if entry.name == name)

    @property
    def names(self) -> list[str]:
        return [entry.name for entry in self.choices]


@dataclass(frozen=True)
class Key:
    """A plain key of conf/config.yaml with its default and the comment beside it."""

    name: str
    default: str
    meaning: str


@dataclass(frozen=True)
class Problem:
    """Choices that belong together, in conf/problem: a function of the parameters and where to start on it."""

    name: str
    meaning: str
    command: str


@dataclass(frozen=True)
class Own:
    """A choice of the user's: a yaml in the folder given with --config-dir."""

    room: str
    name: str
    target: str


def conf_dir() -> Path:
    """The folder of the configuration: inside the package once installed, beside it in a checkout."""
    installed = RUNNER / "conf"
    return installed if installed.is_dir() else RUNNER.parent / "conf"


@cache
def rooms() -> tuple[Room, ...]:
    """Every room, in the order of conf/config.yaml, each followed by the rooms inside it: architecture/activation."""
    return tuple(place for name, default in defaults(config_text()) for place in (room(name, default), *inside(name)))


def defaults(yaml: str) -> list[tuple[str, str]]:
    """The `- room: choice` lines of a yaml, but for those that choose nothing.

    >>> defaults("defaults:\\n  - init: normal\\n  - epochs@rules.epochs\\n  - _self_")
    [('init', 'normal')]
    """
    return re.findall(r"^ +- (\w+): (?!null\b)(\w+)", yaml, re.MULTILINE)


def inside(name: str) -> list[Room]:
    """The rooms inside a room: its folders with a base.py. Their default is that of the room's default choice."""
    found = sorted(path.parent.name for path in (RUNNER / name).glob("*/base.py"))
    first = dict(defaults(config_text()))[name]
    given = dict(defaults((conf_dir() / name / f"{first}.yaml").read_text(encoding="utf-8")))
    return [room(f"{name}/{each}", given[each]) for each in found]


def room(name: str, default: str) -> Room:
    text = source.module_docstring(RUNNER / name / "base.py")
    meaning = docstring.first_sentence(text)
    first, *others = re.split(r"\n\s*\n", text)
    theory = [docstring.one_line(first).removeprefix(meaning).strip()]
    theory += [block if block.startswith("    ") else docstring.one_line(block) for block in others]
    found = ((path, source.choice(path)) for path in sorted((RUNNER / name).glob("*.py")))
    choices = tuple(entry(name, path, choice) for path, choice in found if choice is not None)
    return Room(name, meaning, tuple(block for block in theory if block), default, choices)


def entry(room: str, path: Path, choice: source.Source) -> Entry:
    """One choice from its source and its yaml, which a choice that is being written may not have yet."""
    yaml = conf_dir() / room / f"{path.stem}.yaml"
    text = yaml.read_text(encoding="utf-8") if yaml.is_file() else ""
    given = {key.name: key.default for key in keys(text)}
    chosen = dict(defaults(text))
    docs = [docstring.parsed(text) for text in choice.docstrings]
    meanings = {name: meaning for doc in docs for name, meaning in doc.meanings}
    arguments = tuple(
        Argument(
            name=name,
            annotation=field.annotation,
            default=field.default,
            meaning=meanings.get(name, ""),
            follows="".join(re.findall(r"^\$\{(\w+)\}$", given.get(name, ""))),
            parts=tuple(re.findall(rf"^ +- (?:/{room}@{name}\.\w+: |(?=\w+@{name}\.))(\w+)", text, re.MULTILINE)),
            part="".join(re.findall(rf"^ +- /{room}@{name}: (\w+)", text, re.MULTILINE)),
            choice=chosen.get(name, ""),
        )
        for name, field in choice.fields.items()
    )
    doc = docs[-1]
    return Entry(
        room=room,
        name=path.stem,
        target=f"runner.{room.replace('/', '.')}.{path.stem}.{choice.name}",
        sentence=doc.sentence,
        formula=doc.formula,
        prose=doc.prose,
        arguments=arguments,
        example=doc.example,
        source=doc.source,
        here=doc.here,
        lr=re.sub(r"^\$\{\.(\w+)\.lr\}$", r"that of \1", given.get("lr", "")) if "lr" not in choice.fields else "",
        open="" if given["_target_"].startswith("runner.") else given["_target_"],
    )


@cache
def plain_keys() -> tuple[Key, ...]:
    """lr, batch_size, ... with the comments beside them in conf/config.yaml: those lines that have a comment."""
    return tuple(key for key in keys(config_text()) if key.meaning)


@cache
def problems() -> tuple[Problem, ...]:
    """The functions of conf/problem, with the two comments at the top of each."""
    found = []
    for path in sorted((conf_dir() / "problem").glob("*.yaml")):
        _, meaning, command = path.read_text(encoding="utf-8").splitlines()[:3]
        found.append(Problem(path.stem, meaning.removeprefix("# "), command.removeprefix("# ")))
    return tuple(found)


def keys(yaml: str) -> list[Key]:
    """The `key: value  # comment` lines at the top level of a yaml.

    >>> keys("lr: 0.1  # learning rate\\nrules:\\n  deeper: 1\\npath: ???")
    [Key(name='lr', default='0.1', meaning='learning rate'), Key(name='rules', default='', meaning=''), \
Key(name='path', default='???', meaning='')]
    """
    lines = re.findall(r"^(\w+):[ \t]*(.*?)(?:[ \t]+#[ \t]*(.*?))?[ \t]*$", yaml, re.MULTILINE)
    return [Key(name, value.strip("'\""), comment) for name, value, comment in lines]


@cache
def config_text() -> str:
    return (conf_dir() / "config.yaml").read_text(encoding="utf-8")


def own(folder: Path) -> list[Own]:
    """The choices in the user's folder, ROOM/NAME.yaml."""
    if not folder.is_dir():
        raise ConfigError(
            "--config-dir", str(folder), allowed="a folder that exists", do="give the folder that holds ROOM/NAME.yaml"
        )
    found = []
    for path in sorted(folder.glob("*/*.yaml")):
        given = {key.name: key.default for key in keys(path.read_text(encoding="utf-8", errors="replace"))}
        found.append(Own(path.parent.name, path.stem, given.get("_target_", "no _target_")))
    return found
