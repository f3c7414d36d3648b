"""`optrun -m key=value,value ...`: a sweep, by the launcher of the house or by another one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from runner.command.base import ENGINE, WAYS, engine_in, names_engine, screen, way
from runner.composing import by_hydra, searched_too, split_flags
from runner.core.errors import ConfigError
from runner.grammar import lenient, plain, plugin_names, spelled

if TYPE_CHECKING:
    from hydra_plugins.optrun.compose import Composer
    from omegaconf import DictConfig

    from runner.sweep.engine.base import Engine


@dataclass
class Told:
    """What a command says of a sweep beside its jobs, and what came of it: Hydra carries neither for a launcher."""

    command: str = ""
    plugins: tuple[str, ...] = ()
    extending: bool = False
    engine: Engine | None = None
    named: bool = False
    exit_code: int = 0


_told = Told()


def asked(arguments: list[str]) -> int:
    """Composed like a single run: `hydra.main` would compose it once more, to look at its mode."""
    from hydra.core.global_hydra import GlobalHydra

    _told.command, _told.plugins = spelled(arguments), plugin_names(arguments)
    _told.extending = "--extend" in arguments
    _told.engine, _told.named = engine_in(arguments), names_engine(arguments)
    refuse_other_launcher(arguments)
    ways = tuple(f"{name}=" for name in WAYS)
    ours = [a for a in arguments if a != "--extend" and not a.startswith(ENGINE)]
    given = [f"hydra.launcher.{a}" if a.startswith(ways) else a for a in ours]
    directory, name, overrides = split_flags(given)
    with by_hydra(overrides, _told.plugins):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        whole = [*lenient(overrides), *searched_too(directory), "hydra.mode=MULTIRUN"]
        hydra.multirun(name, one_job(arguments), whole)
    return _told.exit_code


def launched(path: Path, composer: Composer, jobs: Sequence[Sequence[str]], **ways: int | str) -> None:
    """Called by the launcher of the house: all jobs of a sweep, as overrides that the composer understands."""
    from runner import build
    from runner.sweep import launch
    from runner.sweep.grid import Cell
    from runner.sweep.way import Way

    cells = [
        Cell(tuple(map(plain, each)), partial(composer.values, each, build.plain), partial(composer.folder, each))
        for each in jobs
    ]
    go = launch.extend if _told.extending else launch.start
    checked = {name: way(name, value) for name, value in ways.items()}
    assert _told.engine is not None
    how = Way(_told.plugins, screen(), **checked, engine=_told.engine, named=_told.named)
    _told.exit_code = go(cells, path, _told.command, how)


def refuse_other_launcher(arguments: list[str]) -> None:
    """Refuse an engine beside a launcher that is not of the house: it starts the runs one by one, in its own way."""
    engines = [argument for argument in arguments if argument.startswith(ENGINE)]
    if engines and any(argument.startswith("hydra/launcher=") for argument in arguments):
        key, _, value = engines[0].partition("=")
        raise ConfigError(key, value, allowed="without hydra/launcher=", do="give one of the two")


def one_job(arguments: list[str]) -> Callable[[DictConfig], None]:
    """What Hydra calls for every job where another launcher than the house's was chosen, or for `--run`."""
    command, plugins = spelled(arguments), plugin_names(arguments)

    def application(config: DictConfig) -> None:
        from hydra.core.hydra_config import HydraConfig

        from runner import build, job

        path = Path(HydraConfig.get().runtime.output_dir)
        result = job.start(build.from_hydra(config, plugins), path, command, screen())
        if result.exit_code:
            raise RuntimeError(f"{path}: {result.summary['status']}: {result.summary['verdict']}")

    return application
