"""`optrun landscape FOLDER [FOLDER ...]`: the loss around the way that runs went, and the way on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from runner import menu
from runner.command.base import given_for, refuse_many, width, without
from runner.composing import prepared
from runner.core.errors import ConfigError, did_you_mean, visible
from runner.grammar import plugin_names, spelled

OWN = ("directions", "points", "grid", "examples", "seed", "out")


def asked(arguments: list[str]) -> int:
    """Train the runs again in memory, look at the loss around them, and draw it; nothing of a run is changed."""
    if {"-h", "--help"} & set(arguments):
        print(menu.landscape_page(width()))
        return 0
    refuse_many("landscape", arguments, "folders of runs, or of a sweep")
    folders = [Path(argument) for argument in arguments if "=" not in argument or Path(argument).exists()]
    others = [argument for argument in arguments if "=" in argument and not Path(argument).exists()]
    refuse_unknown(others)
    if not folders:
        raise ConfigError(
            "", " ".join(["landscape", *arguments]), allowed="optrun landscape FOLDER [FOLDER ...] [KEY=VALUE ...]",
            do="name the folders of runs that have one start, or of their sweep, as in outputs/...",
        )  # fmt: skip
    prepared(others)
    from runner.landscape import launch

    given = launch.Asked(**{**given_for(OWN, others), **given_texts(others)})
    runs = list(runs_in(folders))
    home = Path(given.out) if given.out else folders[0]
    for line in launch.show(runs, plugin_names(others), given, home, spelled(["landscape", *arguments])):
        print(visible(line), flush=True)
    return 0


def given_texts(others: Sequence[str]) -> dict[str, str]:
    """The folder to write to, which is a text even where it looks like a number."""
    return {name: text for name, _, text in (argument.partition("=") for argument in others) if name == "out"}


def refuse_unknown(others: Sequence[str]) -> None:
    """Refuse what the command does not know."""
    for argument in without((*OWN, "plugins"), list(others)):
        name, _, value = argument.partition("=")
        do = f"{did_you_mean(name, [*OWN, 'plugins'])}`optrun landscape --help` says what they mean"
        raise ConfigError(
            name, value, allowed=f"folders, and {', '.join(f'{key}=' for key in (*OWN, 'plugins'))}", do=do
        )


def runs_in(folders: Sequence[Path]) -> Iterator[Path]:
    """The folders of runs; that of a sweep stands for those of its jobs."""
    from runner.sweep.base import is_sweep, read_jobs

    for folder in folders:
        if is_sweep(folder):
            yield from (folder / job.folder for job in read_jobs(folder)[0])
        else:
            yield folder
