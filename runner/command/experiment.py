"""`optrun +experiment=DECK/CLAIM [key=value ...]`: an experiment of a lecture, from its runs to its verdict."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.command.base import is_way, screen, ways_in
from runner.composing import by_hydra, searched_too, split_flags, stamp
from runner.core.errors import ConfigError, did_you_mean
from runner.grammar import lenient, plain, plugin_names, spelled
from runner.menu.lectures import experiments

if TYPE_CHECKING:
    from omegaconf import DictConfig


def named(arguments: Sequence[str]) -> str:
    """The experiment that the arguments choose: `grosse/ravine` of `+experiment=grosse/ravine`, or nothing."""
    return next((a.partition("=")[2] for a in reversed(arguments) if names_one(a)), "")


def names_one(argument: str) -> bool:
    """Whether an argument is the one that chooses an experiment.

    >>> names_one("+experiment=grosse/ravine"), names_one("optimizer=adam")
    (True, False)
    """
    return argument.lstrip("+").startswith("experiment=")


def asked(arguments: list[str]) -> int:
    """Run all arms of it, with what else the command says on top of each."""
    refuse_many(arguments)
    own = [a for a in arguments if not is_way(a) and not names_one(a)]
    name, plugins = named(arguments), plugin_names(arguments)
    directory, root, overrides = split_flags([f"+experiment={name}", *own])
    if directory is None:
        refuse_unknown(name)
    with by_hydra(overrides, plugins):
        from hydra.core.global_hydra import GlobalHydra
        from hydra.types import RunMode
        from hydra_plugins.optrun.compose import Composer

        from runner import build
        from runner.lecture import launch
        from runner.sweep.grid import Cell
        from runner.sweep.way import Way

        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        master = hydra.compose_config(root, [*lenient(overrides), *searched_too(directory)], RunMode.MULTIRUN, False)
        composer = Composer(hydra.config_loader, master)
        whole = build.plain(composer.task(lenient(overrides)))
        if "lecture" not in whole:
            do = "`optrun lectures` lists those of the lectures"
            raise ConfigError("experiment", name, allowed="an experiment with a claim", do=do)

        def values(config: DictConfig) -> dict[str, Any]:
            return {key: value for key, value in build.plain(config).items() if key != "lecture"}

        def cell(more: Sequence[str]) -> Cell:
            mine = lenient([*overrides, *more])
            return Cell(tuple(map(plain, mine)), partial(composer.values, mine, values), partial(composer.folder, mine))

        wanted = launch.Asked(name, whole["lecture"], cell, spelled(arguments))
        return launch.start(wanted, folder(arguments, name), Way(plugins, screen(), **ways_in(arguments)))


def refuse_unknown(name: str) -> None:
    """`ConfigError` for an experiment that is none of the house's; a folder of the user's may have others."""
    known = [each.name for each in experiments()]
    if name not in known:
        allowed = f"an experiment of the lectures: {', '.join(known)}"
        do = f"{did_you_mean(name, known)}`optrun lectures` describes them"
        raise ConfigError("experiment", name, allowed=allowed, do=do)


def folder(arguments: Sequence[str], name: str) -> Path:
    """That of hydra.run.dir, or a new one that has the name of the experiment in its own."""
    given = [a.partition("=")[2].strip("'\"") for a in arguments if a.startswith("hydra.run.dir=")]
    return Path(given[-1]) if given else Path("outputs") / f"{stamp()}_{name.replace('/', '_')}"


def refuse_many(arguments: Sequence[str]) -> None:
    """An experiment is many runs already."""
    if {"-m", "--multirun"} & set(arguments):
        do = "leave out -m; what else the command says is on top of every arm"
        raise ConfigError("", "optrun -m +experiment=...", allowed="one experiment", do=do)
