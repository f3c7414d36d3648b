"""What the commands share: numbers of their own among the arguments, how a sweep shares the machine, the screen."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from runner.core.errors import ConfigError
from runner.core.launched import place

if TYPE_CHECKING:
    from runner.screen.base import Screen
    from runner.sweep.engine.base import Engine

WAYS = ("workers", "lanes")  # how the runs of a sweep share the machine
ENGINE = ("engine=", "engine.")  # and which machine that is: engine=slurm engine.partition=short
BUDGET = ("runs", "total_epochs")  # of a tune


def given_for(names: Sequence[str], arguments: list[str]) -> dict[str, Any]:
    """What `name=value` says, for some names; numbers as such."""
    given = dict(argument.split("=", 1) for argument in arguments if argument.startswith(tuple(f"{w}=" for w in names)))
    return {name: number_in(text) for name, text in given.items()}


def number_in(text: str) -> int | float | str:
    """The number that a text spells; the text itself where it spells none, or one of more digits than are looked at.

    >>> number_in("40"), number_in("1e-4"), number_in("auto")
    (40, 0.0001, 'auto')
    """
    if re.fullmatch(r"-?[0-9]{1,18}", text):
        return int(text)
    return float(text) if re.fullmatch(r"-?[0-9]{0,18}\.?[0-9]{1,18}(e[-+]?[0-9]{1,3})?", text, re.IGNORECASE) else text


def ways_in(arguments: list[str]) -> dict[str, Any]:
    """What `workers=N`, `lanes=N` and `engine=NAME` say."""
    ways = {name: way(name, value) for name, value in given_for(WAYS, arguments).items()}
    return ways | ({"engine": engine_in(arguments), "named": True} if names_engine(arguments) else {})


def names_engine(arguments: list[str]) -> bool:
    """Whether something is said of the engine."""
    return any(argument.startswith(ENGINE) for argument in arguments)


def is_way(argument: str) -> bool:
    """Whether an argument says where or how the runs of a sweep are trained.

    >>> [is_way(each) for each in ("workers=2", "engine=slurm", "engine.time=5", "epochs=5")]
    [True, True, True, False]
    """
    return argument.startswith((*(f"{name}=" for name in WAYS), *ENGINE))


def engine_in(arguments: list[str]) -> Engine:
    """What `engine=NAME` and `engine.KEY=VALUE` say; checked."""
    from runner.sweep.engine.menu import chosen

    said = dict(argument.split("=", 1) for argument in arguments if argument.startswith(ENGINE))
    name = said.pop("engine", "auto")
    given: dict[str, Any] = {}
    for key, text in said.items():
        room, _, option = key.removeprefix("engine.").partition(".")
        if option:
            given[room] = {**given.get(room, {}), option: number_in(text)}
        else:
            given[room] = number_in(text)
    return chosen(name, given)


def way(name: str, given: int | str) -> Any:
    """How many workers, how many lanes; checked."""
    from runner.core.check import Count, checked

    words = Literal["auto", "off"] if name == "lanes" else Literal["auto"]
    return checked(name, given, Count | words, "auto")


def refuse_many(command: str, arguments: list[str], allowed: str = "one run") -> None:
    """Refuse `-m` for a command that is about one run."""
    if {"-m", "--multirun"} & set(arguments):
        raise ConfigError("", f"optrun {command} -m", allowed=allowed, do="leave out -m")


def refuse_several(what: str) -> None:
    """Refuse on several processes what is not one run."""
    if place().shared:
        raise ConfigError(
            "",
            f"{what} on {place().size} processes",
            allowed="one run, or resume of one run, on several processes",
            do="start it without torchrun; a sweep or a tune shares out its runs by itself, among workers=N",
        )


def without(names: Sequence[str], arguments: list[str]) -> list[str]:
    """The arguments but those that say `name=value` for some names."""
    return [argument for argument in arguments if not argument.startswith(tuple(f"{name}=" for name in names))]


def home(path: Path, arguments: list[str]) -> Path:
    """Where a command that does not train writes its picture: the folder of the run if it was named, or beside it."""
    return path if any(argument.startswith("hydra.run.dir=") for argument in arguments) else path.parent


def refuse_ways(arguments: list[str]) -> None:
    """Refuse for a single run what says where and how the runs of a sweep are trained."""
    ways_in(arguments)  # a value that is wrong anywhere is said first
    for argument in filter(is_way, arguments):
        name, _, value = argument.partition("=")
        raise ConfigError(
            name, value, allowed="for a sweep, with -m", do="leave it out; threads=N is for the threads of a run"
        )


def one_folder(
    command: str, arguments: list[str], known: Sequence[str], of_a_tune: Sequence[str] = ()
) -> tuple[Path, list[str]]:
    """The folder that a command is about, and its other arguments.

    known: names that may stand before a `=` there; of_a_tune: those that may where the folder holds a tune
    """
    folders = [argument for argument in arguments if "=" not in argument or Path(argument).exists()]
    others = [argument for argument in arguments if argument not in folders]
    names = (*known, *(of_a_tune if len(folders) == 1 and is_tune(folders[0]) else ()))
    if len(folders) != 1 or without(names, others):
        raise ConfigError(
            "",
            f"{command} {' '.join(arguments)}".strip(),
            allowed=f"optrun {command} FOLDER, and plugins=[my_package] where the run has parts of yours",
            do="name one folder, as in outputs/...",
        )
    return Path(folders[0]), others


def is_tune(folder: str | Path) -> bool:
    """Whether a folder holds a tune, as `runner.tune.base` says it; without importing torch."""
    return (Path(folder) / "tune.json").is_file()


def width(otherwise: int = 100) -> int:
    """Columns of the terminal; `otherwise` where there is none."""
    return shutil.get_terminal_size((otherwise, 24)).columns if sys.stdout.isatty() else otherwise


def coloured() -> bool:
    """Whether what is printed may have colours."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def screen() -> Screen:
    """A live screen in a terminal, lines elsewhere; of several processes of a run one has a screen."""
    if place().rank:
        from runner.screen.base import Silent

        return Silent()
    if sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        from runner.screen.live import Terminal

        return Terminal()
    from runner.screen.plain import Plain

    return Plain()
