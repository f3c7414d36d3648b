"""The command line: Hydra in, exit code out.

    optrun [key=value ...]          one run
    optrun -m key=value,value ...   a sweep
    optrun tune key=interval(a,b) ... runs=N
                                    a search for the best value
    optrun list | resume | plot     what there is; go on; draw again
    optrun schedule [key=value ...] what a schedule would do, without training
    optrun gradcheck [key=value ...] whether the gradient of a run is the slope of its loss
    optrun lr_range [key=value ...] a short training with growing rates, and what they suggest
    optrun selftest [AREA ...]      whether the program keeps its promises on this machine

One run is composed by Hydra's compose call, which leaves no folder behind when the configuration is refused; `-m` and
Hydra's own flags go through `hydra.main`. This file imports neither torch nor pandas nor pyplot: help and completion
answer at once, and what is wrong in the grammar of a command is said before torch is read.
"""

from __future__ import annotations

import gc
import importlib
import os
import random
import re
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from runner import __version__, menu
from runner.core.errors import ConfigError, DiskError, Interrupted, OptrunError, did_you_mean, visible
from runner.grammar import CONF, chosen_at, lenient, plain, plugin_names, refuse_unreadable, spelled
from runner.guard import watched
from runner.screen.output import Unsaid, forget, spoken

if TYPE_CHECKING:
    from hydra_plugins.optrun.compose import Composer
    from omegaconf import DictConfig

    from runner.screen.base import Screen

PACKAGE = Path(__file__).parent
COMMANDS = ("list", "schedule", "gradcheck", "lr_range", "tune", "resume", "plot", "selftest", "help")
PREVIEWED = ("schedule", "lr", "epochs", "steps", "optimizer", "plugins", "hydra.run.dir")
WAYS = ("workers", "lanes")  # how the runs of a sweep share the machine
BUDGET = ("runs", "total_epochs")  # of a tune
PLAN = (*BUDGET, "search", "prune", "goal", "batch")
HYDRA_FLAGS = {
    *("-m", "--multirun", "-c", "--cfg", "-i", "--info", "-p", "--package", "-r", "--run", "--resolve"),
    *("-sc", "--shell-completion", "--hydra-help"),
}


@dataclass
class Asked:
    """What a command says of a sweep beside its jobs, and what came of it: Hydra carries neither for a launcher."""

    command: str = ""
    plugins: tuple[str, ...] = ()
    extending: bool = False
    exit_code: int = 0


_asked = Asked()


def command() -> int:
    """`main` in a process of its own, which ends with it.

    Importing torch makes hundreds of thousands of objects that stay. Looking for garbage among them meanwhile costs
    0.3 s of 2.4, and once more at the end, before the process may exit, 0.5 s.
    """
    gc.set_threshold(100_000, 50, 50)
    spoken()
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
        if signal.getsignal(number) is usual:  # what is ignored stays ignored: a background job
            signal.signal(number, left)
    try:
        return main()
    finally:
        gc.freeze()


def left(number: int, frame: object) -> None:
    """A signal outside of training, where nothing is at stake: leave at once.

    A KeyboardInterrupt in the middle of an import is swallowed, or turned into another error, by numpy and others.
    """
    message = b"optrun: interrupted; what was committed is kept, `optrun resume` goes on from there\n"
    os.write(sys.stderr.fileno(), message)
    os._exit(128 + number)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. The only place that turns errors into messages."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        code = dispatch(arguments)
        sys.stdout.flush()
        return code
    except Interrupted as error:
        return failed(str(error) + "; `optrun resume` goes on where it was", error.exit_code)
    except OptrunError as error:
        return failed(str(error), error.exit_code)
    except KeyboardInterrupt:
        return failed("interrupted; what was committed is kept, `optrun resume` goes on from there", 130)
    except BrokenPipeError:
        forget(sys.stdout)
        return 0
    except Unsaid as error:
        forget(sys.stdout)
        return failed(f"cannot write to standard output: {error.strerror}", DiskError.exit_code)
    except Exception:
        traceback.print_exc()
        return failed("this is a bug in optrun or in a plugin; the lines above say where", 1)


def failed(message: str, code: int) -> int:
    """Say on stderr why the command ended, and answer with its exit code."""
    try:
        print(f"optrun: {visible(message)}", file=sys.stderr, flush=True)
    except OSError:
        pass  # the terminal was closed; the exit code is all that is left to say
    return code


def dispatch(arguments: list[str]) -> int:
    """The command that the arguments ask for."""
    first = arguments[0] if arguments else ""
    if first in ("-h", "--help", "help"):
        return shown(["help"])
    if first == "--version":
        print(f"optrun {__version__}")
        return 0
    if first == "list":
        return shown(arguments)
    if first == "schedule":
        return previewed(arguments[1:])
    if first == "gradcheck":
        return gradchecked(arguments[1:])
    if first == "lr_range":
        return ranged(arguments[1:])
    if first == "tune":
        return tuned(arguments[1:])
    if first == "selftest":
        from runner.selftest import launch

        return launch.asked(arguments[1:])
    if first in ("resume", "plot"):
        return with_folder(first, arguments[1:])
    if first and not first.startswith("-") and "=" not in first and not first.startswith("~"):
        raise ConfigError(
            "",
            first,
            allowed=f"key=value, or one of {', '.join(COMMANDS)}",
            do=f"{did_you_mean(first, list(COMMANDS))}`optrun --help` shows examples",
        )
    flags = [argument for argument in arguments if argument.startswith("-")]
    keys = {argument.lstrip("+").split("=")[0] for argument in arguments}
    if {"lr", "optimizer.lr"} <= keys:
        raise ConfigError(
            "optimizer.lr",
            "...",
            allowed="one of lr and optimizer.lr, which are the same number",
            do="give lr=... alone",
        )
    prepared(arguments)
    asked = {flag.split("=")[0] for flag in flags} & HYDRA_FLAGS
    if asked and asked <= {"-m", "--multirun"}:
        return swept(arguments)
    if asked:
        return by_hydra_main(arguments)
    if "--extend" in flags:
        raise ConfigError(
            "--extend",
            "",
            allowed="with -m, for a sweep",
            do="optrun -m --extend hydra.sweep.dir=outputs/... KEY=OLD,NEW",
        )
    refuse_ways(arguments)
    return single(arguments)


def shown(arguments: list[str]) -> int:
    """`optrun list [ROOM] [CHOICE] [--config-dir DIR]` and `optrun --help`."""
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    width = shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else 100
    command, *words = arguments
    if command == "help":
        print(menu.help_page(width, colour))
        return 0
    directory = None
    if "--config-dir" in words:
        at = words.index("--config-dir")
        directory = Path(existing_folder(words[at + 1] if at + 1 < len(words) else ""))
        del words[at : at + 2]
    print(menu.listing(words, width, colour, directory))
    return 0


def with_folder(command: str, arguments: list[str]) -> int:
    """`optrun resume FOLDER` and `optrun plot FOLDER`, for a run or a sweep."""
    folders = [argument for argument in arguments if "=" not in argument or Path(argument).exists()]
    others = [argument for argument in arguments if argument not in folders]
    budget = given_for(BUDGET, others) if command == "resume" and len(folders) == 1 and is_tune(folders[0]) else {}
    known = ("plugins", *WAYS, *budget)
    if len(folders) != 1 or any(not other.startswith(tuple(f"{name}=" for name in known)) for other in others):
        raise ConfigError(
            "",
            f"{command} {' '.join(arguments)}".strip(),
            allowed=f"optrun {command} FOLDER, and plugins=[my_package] where the run has parts of yours",
            do="name one folder, as in outputs/...",
        )
    from runner import job
    from runner.sweep import launch
    from runner.sweep.base import is_sweep

    prepared(others)
    path, plugins = Path(folders[0]), plugin_names(others)
    if is_tune(path):
        return resumed_tune(path, budget, others) if command == "resume" else redrawn_tune(path)
    if is_sweep(path):
        if command == "plot":
            return launch.redraw(path, screen())
        return launch.resume(path, launch.Way(plugins, screen(), **ways_in(others)))
    refuse_ways(others)
    if command == "resume":
        return job.resume(path, plugins, screen()).exit_code
    for picture in job.redraw(path, screen()):
        print(visible(str(picture)))
    return 0


def is_tune(folder: str | Path) -> bool:
    """Whether a folder holds a tune, as `runner.tune.base` says it; without importing torch."""
    return (Path(folder) / "tune.json").is_file()


def tuned(arguments: list[str]) -> int:
    """`optrun tune KEY=interval(LOW,HIGH) ... [runs=N ...]`: search for the best setting, trial after trial."""
    if {"-h", "--help"} & set(arguments):
        print(menu.tune_page(shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else 100))
        return 0
    flags = [argument for argument in arguments if argument.startswith("-") and argument.split("=")[0] in HYDRA_FLAGS]
    if flags or "--extend" in arguments:
        do = "leave it out; optrun resume FOLDER runs=N extends a tune"
        raise ConfigError("", f"optrun tune {(*flags, '--extend')[0]}", allowed="key=value", do=do)
    own = (*PLAN, *WAYS)
    rest = [argument for argument in arguments if not argument.startswith(tuple(f"{name}=" for name in own))]
    prepared(rest)
    directory, name, overrides = split_flags(rest)
    from runner.tune import base

    plan = base.Plan(**given_for(PLAN, arguments))
    refuse_no_optuna()
    typed = {"overrides": [o for o in overrides if not is_plugins(o)], "config_dir": directory, "config_name": name}
    plugins = plugin_names(arguments)
    with searching(typed, plugins, spelled(["tune", *arguments])) as (asked, path):
        from runner.sweep.launch import Way
        from runner.tune import launch

        return launch.start(asked, plan, path, Way(plugins, screen(), **ways_in(arguments)))


def resumed_tune(path: Path, budget: dict[str, Any], others: list[str]) -> int:
    """`optrun resume FOLDER [runs=N]` of a tune: its command is composed again, with the plugins that are named now."""
    refuse_no_optuna()
    from runner.sweep.launch import Way
    from runner.tune import launch

    plugins = plugin_names(others)
    with ExitStack() as composing:

        def again(typed: dict[str, Any], command: str) -> Any:
            return composing.enter_context(searching(typed, plugins, command))[0]

        return launch.resume(path, again, budget, Way(plugins, screen(), **ways_in(others)))


def redrawn_tune(path: Path) -> int:
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
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.types import RunMode
    from hydra_plugins.optrun.compose import Composer

    from runner import build, ranges
    from runner.sweep.grid import Cell
    from runner.tune.base import Asked as Search

    directory = existing_folder(typed["config_dir"]) if typed["config_dir"] else None
    with (
        translated(typed["overrides"]),
        watched(plugins),
        initialize_config_dir(str(CONF), version_base="1.3", job_name="optrun"),
    ):
        refuse_unreadable(typed["overrides"])
        fixed, spans = ranges.parted(typed["overrides"])
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        search = [f"hydra.searchpath=[file://{directory}]"] if directory else []
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
    """What `workers=N` and `lanes=N` say."""
    return {name: way(name, value) for name, value in given_for(WAYS, arguments).items()}


def way(name: str, given: int | str) -> Any:
    """How many workers, how many lanes; checked."""
    from runner.core.check import Count, checked

    words = Literal["auto", "off"] if name == "lanes" else Literal["auto"]
    return checked(name, given, Count | words, "auto")


def refuse_ways(arguments: list[str]) -> None:
    """Refuse for a single run what says how the runs of a sweep share the machine."""
    for name, value in ways_in(arguments).items():
        raise ConfigError(
            name, value, allowed="for a sweep, with -m", do="leave it out; threads=N is for the threads of a run"
        )


def previewed(arguments: list[str]) -> int:
    """`optrun schedule [schedule=NAME schedule.x=...] [epochs= steps= lr=]`: draw it, without training."""
    _, _, overrides = split_flags(arguments)
    for override in overrides:
        key = override.lstrip("+").split("=")[0]
        if re.split(r"[.@]", key)[0] not in PREVIEWED and key not in PREVIEWED:
            raise ConfigError(
                "",
                f"optrun schedule {override}",
                allowed=f"optrun schedule with the keys {', '.join(PREVIEWED)}",
                do=f"{did_you_mean(key, list(PREVIEWED))}leave out what has no part in the rate",
            )
    if any(argument in ("-m", "--multirun") for argument in arguments):
        raise ConfigError("", "optrun schedule -m", allowed="one schedule", do="leave out -m")
    own = given_for(("steps",), arguments)
    others = [argument for argument in arguments if argument.partition("=")[0] not in own]
    prepared(others)
    config, path = composed(others)
    from runner import build, preview
    from runner.core.check import Count, checked

    steps = checked("steps", own.get("steps", preview.STEPS), Count, preview.STEPS)
    run = build.from_hydra(config, plugin_names(others))
    chosen = any(argument.startswith("hydra.run.dir=") for argument in others)
    for line in preview.show(run, steps, path if chosen else path.parent):
        print(line)
    return 0


def gradchecked(arguments: list[str]) -> int:
    """`optrun gradcheck [key=value ...]`: compare the gradient of a run with finite differences, without training."""
    if any(argument in ("-m", "--multirun") for argument in arguments):
        raise ConfigError("", "optrun gradcheck -m", allowed="one run", do="leave out -m")
    prepared(arguments)
    config, _ = composed(arguments)
    from runner import build, gradcheck

    for line in gradcheck.show(build.from_hydra(config, plugin_names(arguments))):
        print(line)
    return 0


def ranged(arguments: list[str]) -> int:
    """`optrun lr_range [key=value ...] [low= high= steps=]`: the learning-rate range test."""
    if any(argument in ("-m", "--multirun") for argument in arguments):
        raise ConfigError("", "optrun lr_range -m", allowed="one run", do="leave out -m")
    own = given_for(("low", "high", "steps"), arguments)
    others = [argument for argument in arguments if argument.partition("=")[0] not in own]
    prepared(others)
    config, path = composed(others)
    from runner import build, lr_range
    from runner.core.check import Rate, checked

    usual = {"low": lr_range.LOW, "high": lr_range.HIGH, "steps": lr_range.STEPS}
    roles: dict[str, Any] = {"low": Rate, "high": Rate, "steps": lr_range.Steps}
    low, high, steps = (checked(key, own.get(key, usual[key]), roles[key], usual[key]) for key in usual)
    run = build.from_hydra(config, plugin_names(others))
    chosen = any(argument.startswith("hydra.run.dir=") for argument in others)
    for line in lr_range.show(run, low, high, steps, path if chosen else path.parent):
        print(line, flush=True)
    return 0


def single(arguments: list[str]) -> int:
    """One run, composed without `hydra.main`."""
    config, path = composed(arguments)
    from runner import build, job
    from runner.store.folder import clear_abandoned

    run = build.from_hydra(config, plugin_names(arguments))
    clear_abandoned(path.absolute().parent)
    return job.start(run, path, spelled(arguments), screen()).exit_code


def composed(arguments: list[str]) -> tuple[DictConfig, Path]:
    """The configuration of one run and its folder."""
    from hydra import compose, initialize_config_dir
    from hydra.core.hydra_config import HydraConfig

    directory, name, overrides = split_flags(arguments)
    search = [f"hydra.searchpath=[file://{directory}]"] if directory else []
    with (
        translated(overrides),
        watched(plugin_names(arguments)),
        initialize_config_dir(str(CONF), version_base="1.3", job_name="optrun"),
    ):
        refuse_unreadable(overrides)
        config = compose(name, [*lenient(overrides), *search], return_hydra_config=True)
        HydraConfig.instance().set_config(config)
        return task(config), Path(str(config.hydra.run.dir))


def swept(arguments: list[str]) -> int:
    """A sweep, composed like a single run: `hydra.main` would compose it once more, to look at its mode."""
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    _asked.command, _asked.plugins = spelled(arguments), plugin_names(arguments)
    _asked.extending = "--extend" in arguments
    given = [
        f"hydra.launcher.{a}" if a.startswith(tuple(f"{w}=" for w in WAYS)) else a for a in arguments if a != "--extend"
    ]
    directory, name, overrides = split_flags(given)
    search = [f"hydra.searchpath=[file://{directory}]"] if directory else []
    with (
        translated(overrides),
        watched(plugin_names(arguments)),
        initialize_config_dir(str(CONF), version_base="1.3", job_name="optrun"),
    ):
        refuse_unreadable(overrides)
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        hydra.multirun(name, one_job(arguments), [*lenient(overrides), *search, "hydra.mode=MULTIRUN"])
    return _asked.exit_code


def by_hydra_main(arguments: list[str]) -> int:
    """One of Hydra's own flags."""
    import hydra

    os.environ["HYDRA_FULL_ERROR"] = "1"  # let exceptions through, so that they end in one message and in our exit code
    completing = any(argument in ("-sc", "--shell-completion") for argument in arguments)
    sys.argv = ["optrun", *(arguments if completing else lenient(arguments))]
    with translated(arguments), watched(plugin_names(arguments)):
        refuse_unreadable(split_flags(arguments)[2])
        hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(one_job(arguments))()
    return 0


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


def launched(path: Path, composer: Composer, jobs: Sequence[Sequence[str]], **ways: int | str) -> None:
    """Called by the launcher of the house: all jobs of a sweep, as overrides that the composer understands."""
    from runner import build
    from runner.sweep import launch
    from runner.sweep.grid import Cell

    cells = [
        Cell(tuple(map(plain, each)), partial(composer.values, each, build.plain), partial(composer.folder, each))
        for each in jobs
    ]
    go = launch.extend if _asked.extending else launch.start
    checked = {name: way(name, value) for name, value in ways.items()}
    _asked.exit_code = go(cells, path, _asked.command, launch.Way(_asked.plugins, screen(), **checked))


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


def task(config: DictConfig) -> DictConfig:
    """The part of a composed configuration that is ours."""
    from omegaconf import OmegaConf, flag_override

    ours = config.copy()
    with flag_override(ours, ["struct", "readonly"], False):
        del ours["hydra"]
    assert OmegaConf.is_dict(ours)
    return ours


def split_flags(arguments: list[str]) -> tuple[str | None, str, list[str]]:
    """(--config-dir, --config-name, overrides) of the arguments of one run."""
    from hydra._internal.utils import get_args_parser

    parsed = get_args_parser().parse_args(arguments)
    directory = existing_folder(parsed.config_dir) if parsed.config_dir else None
    return directory, parsed.config_name or "config", parsed.overrides


def existing_folder(name: str) -> str:
    """The absolute path of a folder that exists."""
    if not os.path.isdir(name):
        raise ConfigError("--config-dir", name, allowed="a folder with yaml files", do="name one that exists")
    return os.path.abspath(name)


def screen() -> Screen:
    """A live screen in a terminal, lines elsewhere."""
    if sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        from runner.screen.live import Terminal

        return Terminal()
    from runner.screen.plain import Plain

    return Plain()


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
