"""Composing by Hydra: one run, a tune; what it must know before, and its complaints in our words."""

from __future__ import annotations

import os
import random
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from runner.core.errors import ConfigError, did_you_mean
from runner.grammar import CONF, chosen_at, lenient, plugin_names, refuse_unreadable
from runner.guard import watched

if TYPE_CHECKING:
    from argparse import Namespace

    from omegaconf import DictConfig

PACKAGE = Path(__file__).parent


def prepared(arguments: list[str]) -> None:
    """What Hydra must know before it composes anything."""
    from omegaconf import OmegaConf

    sys.path.append(str(PACKAGE / "plugins"))
    from hydra.core.plugins import Plugins
    from hydra_plugins.optrun.launcher import OptrunLauncher
    from hydra_plugins.optrun.sweeper import OptrunSweeper

    for plugin in (OptrunLauncher, OptrunSweeper):
        Plugins.instance().register(plugin)  # in case Hydra has looked for plugins before
    if plugin_names(arguments):
        sys.path.insert(0, os.getcwd())  # a console script does not look there, where one's own parts usually lie
    OmegaConf.register_new_resolver("stamp", stamp, use_cache=True, replace=True)


def stamp() -> str:
    """A name that no other run takes: the second, the process, and three random characters."""
    letters = "0123456789abcdefghijklmnopqrstuvwxyz"
    number, digits = os.getpid(), ""
    while number:
        number, rest = divmod(number, 36)
        digits = letters[rest] + digits
    own = random.SystemRandom()
    return time.strftime("%Y-%m-%d_%H-%M-%S_") + digits + "".join(own.choice(letters) for _ in range(3))


@contextmanager
def by_hydra(overrides: Sequence[str], plugins: tuple[str, ...]) -> Iterator[None]:
    """Within, Hydra composes from conf/, calls nothing but what is allowed, and complains in our words."""
    from hydra import initialize_config_dir

    with (
        translated(overrides),
        watched(plugins),
        initialize_config_dir(str(CONF), version_base="1.3", job_name="optrun"),
    ):
        refuse_unreadable(overrides)
        yield


def composed(arguments: list[str]) -> tuple[DictConfig, Path]:
    """The configuration of one run and its folder."""
    from hydra import compose
    from hydra.core.hydra_config import HydraConfig

    directory, name, overrides = split_flags(arguments)
    with by_hydra(overrides, plugin_names(arguments)):
        config = compose(name, [*lenient(overrides), *searched_too(directory)], return_hydra_config=True)
        HydraConfig.instance().set_config(config)
        return task(config), Path(str(config.hydra.run.dir))


def task(config: DictConfig) -> DictConfig:
    """The part of a composed configuration that is ours."""
    from omegaconf import OmegaConf, flag_override

    ours = config.copy()
    with flag_override(ours, ["struct", "readonly"], False):
        del ours["hydra"]
    assert OmegaConf.is_dict(ours)
    return ours


def flags_first(arguments: list[str]) -> list[str]:
    """The same with Hydra's flags before the overrides, as it wants them: `lr=1,2 -m seed=1,2` is no error."""
    overrides = read_flags(arguments).overrides
    left = list(overrides)
    flags = []
    for argument in arguments:
        if argument in left:
            left.remove(argument)
        else:
            flags.append(argument)
    return [*flags, *overrides]


def read_flags(arguments: list[str]) -> Namespace:
    """Hydra's flags and the overrides, in whatever order they stand; `ConfigError` for another flag."""
    from hydra._internal.utils import get_args_parser

    parser = get_args_parser()
    parser.error = refuse_flag  # type: ignore[assignment,method-assign]  # argparse would print Hydra's usage and leave
    return parser.parse_intermixed_args(arguments)


def refuse_flag(said: str) -> NoReturn:
    """`ConfigError` for what argparse says of a flag."""
    unknown = said.removeprefix("unrecognized arguments: ")
    if unknown != said:
        do = "`optrun --help` shows what there is, `optrun --hydra-help` Hydra's flags"
        raise ConfigError("", unknown, allowed="a flag of optrun or Hydra, or key=value", do=do)
    flag, _, what = said.removeprefix("argument ").partition(": ")
    raise ConfigError("", flag, allowed=what, do="`optrun --hydra-help` shows Hydra's flags")


def split_flags(arguments: list[str]) -> tuple[str | None, str, list[str]]:
    """(--config-dir, --config-name, overrides) of the arguments of one run."""
    parsed = read_flags(arguments)
    directory = existing_folder(parsed.config_dir) if parsed.config_dir else None
    return directory, parsed.config_name or "config", parsed.overrides


def searched_too(directory: str | None) -> list[str]:
    """The override by which Hydra looks for choices in a folder of the user's, too."""
    return [f"hydra.searchpath=[file://{directory}]"] if directory else []


def existing_folder(name: str) -> str:
    """The absolute path of a folder that exists."""
    if not os.path.isdir(name):
        raise ConfigError("--config-dir", name, allowed="a folder with yaml files", do="name one that exists")
    return os.path.abspath(name)


class translated:
    """Turns Hydra's and OmegaConf's complaints about a command into a `ConfigError`; `arguments`: what was typed."""

    def __init__(self, arguments: Sequence[str] = ()) -> None:
        self.arguments = arguments

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from hydra.errors import HydraException, MissingConfigException
        from omegaconf.errors import OmegaConfBaseException
        from yaml import YAMLError

        if isinstance(error, MissingConfigException) and error.options is not None:
            group, _, given = str(error.missing_cfg_file).rpartition("/")
            known = list(error.options)
            raise ConfigError(
                chosen_at(self.arguments, group, given),
                given,
                allowed=f"{', '.join(known)}",
                do=f"{did_you_mean(given, known)}`optrun list {group}` describes them",
            ) from None
        if isinstance(error, HydraException | OmegaConfBaseException | YAMLError):
            said = str(error) or f"{type(error).__name__} in the configuration"
            first, *rest = [line.replace("++", "") for line in said.splitlines() if line.strip()]
            if first.startswith("Ambiguous value"):
                given = first.split("'")[1]
                key, _, value = given.partition("=")
                do = f"optrun -m {given} trains one run for each; a list is {key}=[{value}]"
                raise ConfigError(key, value, allowed="one value for one run", do=do) from None
            if (sweep := re.match(r"Sweep parameters '(.+=.*interval\(.*)' requires", first)) is not None:
                from hydra_plugins.optrun.sweeper import endless

                raise endless(sweep[1]) from None
            if (inner := re.match(r"Could not override '(\w+)@([\w.]+)'", first)) is not None:
                raise ConfigError(
                    inner[2],
                    "...",
                    allowed=f"an argument of the {inner[1]} that is chosen, which does not have it",
                    do=f"`optrun list {inner[1]}` shows the choices with their arguments",
                ) from None
            raise ConfigError(
                "", first, allowed=" ".join(rest) or "Hydra's override grammar", do="see `optrun --help`"
            ) from None
