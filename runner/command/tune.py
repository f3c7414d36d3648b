"""`optrun tune KEY=interval(LOW,HIGH) ... [runs=N ...]`: search for the best setting, trial after trial."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from runner import menu
from runner.command.base import BUDGET, given_for, is_way, screen, ways_in, width, without
from runner.command.flags import HYDRAS
from runner.composing import by_hydra, existing_folder, prepared, searched_too, split_flags
from runner.core.errors import ConfigError
from runner.grammar import plain, plugin_names, spelled

PLAN = (*BUDGET, "search", "prune", "goal", "batch")


def asked(arguments: list[str]) -> int:
    """A new one."""
    if {"-h", "--help"} & set(arguments):
        print(menu.tune_page(width()))
        return 0
    flags = [argument for argument in arguments if argument.startswith("-") and argument.split("=")[0] in HYDRAS]
    if flags or "--extend" in arguments:
        do = "leave it out; optrun resume FOLDER runs=N extends a tune"
        raise ConfigError("", f"optrun tune {(*flags, '--extend')[0]}", allowed="key=value", do=do)
    rest = [argument for argument in without(PLAN, arguments) if not is_way(argument)]
    prepared(rest)
    directory, name, overrides = split_flags(rest)
    from runner.tune import base

    plan = base.Plan(**given_for(PLAN, arguments))
    refuse_no_optuna()
    typed = {"overrides": [o for o in overrides if not is_plugins(o)], "config_dir": directory, "config_name": name}
    plugins = plugin_names(arguments)
    with searching(typed, plugins, spelled(["tune", *arguments])) as (search, path):
        from runner.sweep.way import Way
        from runner.tune import launch

        return launch.start(search, plan, path, Way(plugins, screen(), **ways_in(arguments)))


def resumed(path: Path, budget: dict[str, Any], others: list[str]) -> int:
    """`optrun resume FOLDER [runs=N]` of a tune: its command is composed again, with the plugins that are named now."""
    refuse_no_optuna()
    from runner.sweep.way import Way
    from runner.tune import launch

    plugins = plugin_names(others)
    with ExitStack() as composing:

        def again(typed: dict[str, Any], command: str) -> Any:
            return composing.enter_context(searching(typed, plugins, command))[0]

        return launch.resume(path, again, budget, Way(plugins, screen(), **ways_in(others)))


def redrawn(path: Path) -> int:
    """`optrun plot FOLDER` of a tune."""
    refuse_no_optuna()
    from runner.tune import launch

    return launch.redraw(path, screen())


def refuse_no_optuna() -> None:
    """`ConfigError` where what proposes the trials is not installed."""
    try:
        importlib.import_module("optuna")
    except ImportError:
        allowed, do = "Optuna, which proposes the trials", "pip install 'optrun[tune]'"
        raise ConfigError("", "optrun tune without optuna", allowed=allowed, do=do) from None


@contextmanager
def searching(typed: dict[str, Any], plugins: tuple[str, ...], command: str) -> Iterator[tuple[Any, Path]]:
    """What a tune asks for, and its folder; within, its trials can be composed."""
    from hydra.core.global_hydra import GlobalHydra
    from hydra.types import RunMode
    from hydra_plugins.optrun.compose import Composer

    from runner import build, ranges
    from runner.sweep.grid import Cell
    from runner.tune.base import Asked as Search

    search = searched_too(existing_folder(typed["config_dir"]) if typed["config_dir"] else None)
    with by_hydra(typed["overrides"], plugins):
        fixed, spans = ranges.parted(typed["overrides"])
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        master = hydra.compose_config(typed["config_name"], [*fixed, *search], RunMode.MULTIRUN, False)
        composer = Composer(hydra.config_loader, master)

        def cell(setting: Mapping[str, str]) -> Cell:
            overrides = [*fixed, *(f"{each.element}={setting[each.key]}" for each in spans)]
            shown = tuple(map(plain, overrides))
            return Cell(shown, partial(composer.values, overrides, build.plain), partial(composer.folder, overrides))

        yield Search(spans, cell, typed, command), Path(str(master.hydra.sweep.dir))


def is_plugins(override: str) -> bool:
    """Whether an override names packages of the user's: a file may not, so that every command names them itself."""
    return override.lstrip("+").startswith("plugins=")
