"""Names to objects: a configuration becomes a `Run`, or is refused before anything is trained.

A configuration names its classes (`_target_`). A name is held against the allow-list before anything is imported: a
room of this package for that room's choices, `torch.optim` and `pytorch_optimizer` for optimizers, and the packages
that the user names in `plugins=[...]` on the command line. What is read back from a run folder cannot extend the list.
What is found must then be a class, of the role that the place wants; so neither a function nor a class of another kind
is ever called, whatever the yaml says.

This is the only file that sees OmegaConf and that turns names into objects, in both directions.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import pkgutil
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal, get_args

import torch
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from runner.architecture.base import Architecture
from runner.core import device
from runner.core.check import Choice, Count, Number, Rate, checked, hints_of, only_known
from runner.core.errors import ConfigError, did_you_mean
from runner.core.precision import Precision, refuse_elsewhere, refuse_unresolved
from runner.dataset.base import Dataset
from runner.init.base import Init
from runner.loss.base import Loss
from runner.optimizer.base import Optimizer
from runner.optimizer.torch import Torch
from runner.preprocess.base import Preprocess
from runner.probe.base import Probe
from runner.recorder.base import Recorder
from runner.regularizer.base import Regularizer
from runner.run import Run
from runner.sampler.base import Sampler
from runner.schedule.base import Schedule
from runner.schedule.constant import Constant
from runner.stop.any_of import AnyOf
from runner.stop.base import Stop
from runner.stop.epochs import Epochs
from runner.train import columns

ROOMS: dict[str, type[Choice]] = {
    "dataset": Dataset,
    "preprocess": Preprocess,
    "sampler": Sampler,
    "architecture": Architecture,
    "init": Init,
    "loss": Loss,
    "regularizer": Regularizer,
    "optimizer": Optimizer,
    "schedule": Schedule,
    "stop": Stop,
    "probe": Probe,
    "recorder": Recorder,
}
# Rooms younger than the first run folders: those lack the line, and must stay resumable.
SINCE = {
    "regularizer": {"_target_": "runner.regularizer.none.NoRegularizer"},
    "recorder": {"_target_": "runner.recorder.none.NoRecorder"},
}
START_ANEW = "name another folder, or start a new run"
NUMBERS = ("lr", "batch_size", "epochs", "start", "seed", "device", "threads", "precision", "plugins", "expect")
TORCH = ("torch.optim", "pytorch_optimizer")

Choose = Callable[[str, Any, type[Choice], tuple[str, ...]], Choice]


def from_hydra(config: DictConfig, plugins: tuple[str, ...] = ()) -> Run:
    """The run that a composed configuration describes."""
    return run(plain(config), plugins)


def plain(config: DictConfig) -> dict[str, Any]:
    """A composed configuration as plain values, every interpolation resolved."""
    try:
        return mapping(OmegaConf.to_container(config, resolve=True))
    except OmegaConfBaseException as error:
        message, _, _ = str(error).partition("\n")
        raise ConfigError(
            str(error.full_key or ""), "", allowed="a value, or ${key} of a key that exists", do=message
        ) from None


def from_yaml(text: str, plugins: tuple[str, ...] = ()) -> Run:
    """The run that a `config.yaml` describes."""
    try:
        config = OmegaConf.to_container(OmegaConf.create(text), resolve=False)
    except (YAMLError, OmegaConfBaseException, RecursionError) as error:
        first, _, _ = str(error).partition("\n")
        raise ConfigError("config.yaml", first, allowed="plain values, as optrun writes them", do=START_ANEW) from None
    return run(SINCE | mapping(config), plugins)


def mapping(given: Any) -> dict[str, Any]:
    """A configuration as a dictionary; refuses a yaml that holds anything else."""
    if not isinstance(given, dict):
        raise ConfigError("config.yaml", given, allowed="a mapping {key: value}", do="name another folder or file")
    return {str(key): value for key, value in given.items()}


def to_yaml(made: Run) -> str:
    """The configuration of a run with every default in it; `from_yaml` of it gives an equal run."""
    return "".join(
        f"{key}: {value}\n" if type(value) is int else block(json.dumps({key: value}))
        for key, value in described(made).items()
    )


@lru_cache(maxsize=1024)
def block(node: str) -> str:
    """One key of a configuration, given as JSON, as YAML: 0.5 ms, and the runs of a sweep have most keys in common."""
    return OmegaConf.to_yaml(OmegaConf.create(json.loads(node)))


def run(config: dict[str, Any], plugins: tuple[str, ...] = (), choose: Choose | None = None) -> Run:
    """The run for a plain dictionary; raises `ConfigError` for the first thing that is wrong.

    choose: `choice`, or what answers like it
    """
    choose = choose or choice
    for key, value in config.items():
        if key not in (*ROOMS, *NUMBERS):
            raise ConfigError(
                str(key),
                value,
                allowed=f"the keys {', '.join((*ROOMS, *NUMBERS))}",
                do=f"{did_you_mean(str(key), [*ROOMS, *NUMBERS])}`optrun --help` lists them",
            )
    for key in (*ROOMS, "lr", "epochs", "seed"):
        if config.get(key) is None:
            raise ConfigError(key, None, allowed="a value", do=f"give {key}=...; `optrun --help` lists the choices")
    checked("plugins", config.get("plugins", []), list[str])
    checked("batch_size", config.get("batch_size", 1), Count | Literal["all"])
    checked("start", config.get("start", [1.0]), tuple[Number, ...])
    node = config["optimizer"]
    default_lr = node.get("lr") if isinstance(node, dict) else None
    lr = checked("lr", config["lr"], Rate, *([default_lr] if isinstance(default_lr, int | float) else []))
    epochs = checked("epochs", config["epochs"], Count)
    name = checked("device", config.get("device", "auto"), str)
    precision = checked("precision", config.get("precision", "float32"), Precision)
    refuse_elsewhere(precision, device.resolve(name))
    parts = {room: choose(room, config[room], role, plugins) for room, role in ROOMS.items()}
    given = parts["stop"]
    parts["stop"] = bounded(given, epochs)
    made = Run(
        **parts,  # type: ignore[arg-type]
        lr=lr,
        epochs=epochs,
        seed=config["seed"],
        device=name,
        threads=config.get("threads", "auto"),
        precision=precision,
        expect=config.get("expect", {}),
    )
    refuse_unresolved(precision, made.optimizer.needs, made.optimizer.label, products=not made.dataset.empty)
    refuse_unknown_expectations(made)
    refuse_unknown_columns(made, given)
    return made


def bounded(stop: Choice, epochs: int) -> Stop:
    """A stop rule that surely stops after `epochs`: it joined with that limit, where it may go on for longer."""
    assert isinstance(stop, Stop)
    if stop.limit is not None and stop.limit <= epochs:
        return stop
    return AnyOf(rules={"epochs": Epochs(epochs), "rule": stop})


def choice(key: str, node: Any, role: type[Choice], plugins: tuple[str, ...]) -> Choice:
    """The object that a node of the configuration describes, which must be of the given role."""
    if not isinstance(node, dict) or not isinstance(node.get("_target_"), str) or node["_target_"] == "???":
        raise ConfigError(
            f"{key}._target_",
            node.get("_target_") if isinstance(node, dict) else node,
            allowed=f"the dotted path of a class, a kind of {role.__name__}",
            do=f"choose one from `optrun list {key.partition('.')[0]}`"
            + (f", or give {key}._target_=torch.optim.Adagrad, say" if role is Optimizer else ""),
        )
    cls = resolved(f"{key}._target_", node["_target_"], role, plugins)
    # lr and batch_size have become the keys at the top
    taken = ("_target_", "lr", "batch_size") if role is Optimizer else ("_target_",)
    given = {name: value for name, value in node.items() if name not in taken}
    try:
        if issubclass(cls, torch.optim.Optimizer):
            given = {name: nested(f"{key}.{name}", value, Optimizer, plugins) for name, value in given.items()}
            return Torch(cls=cls, arguments=given).tried()  # its own checks, before any training
        only_known(cls, given)
        for name, value in given.items():
            inner = role_of(hints_of(cls)[name])
            if inner is not None:
                given[name] = nested(f"{key}.{name}", named(f"{key}.{name}", value, inner), inner, plugins)
        built: Choice = cls(**{name: value for name, value in given.items() if value != "???"})
        return built
    except ConfigError as error:
        raise (error if error.refusal.key.startswith(key) else error.under(key)) from None


def role_of(annotation: Any) -> type[Choice] | None:
    """The role of the choices that an argument holds: Stop of dict[str, Stop], nothing of a number."""
    if inspect.isclass(annotation) and issubclass(annotation, Choice):
        return annotation
    return next((role for part in get_args(annotation) if (role := role_of(part))), None)


def named(key: str, value: Any, role: type[Choice]) -> Any:
    """The node of a choice that is given by its name alone: architecture.activation=tanh."""
    if not isinstance(value, str):
        return value
    room = package_of(role)
    known = {}
    for name in (module.name for module in pkgutil.iter_modules(importlib.import_module(room).__path__)):
        for cls in vars(importlib.import_module(f"{room}.{name}")).values():
            own = inspect.isclass(cls) and cls.__module__ == f"{room}.{name}"
            if own and issubclass(cls, role) and not inspect.isabstract(cls):
                known[name] = {"_target_": f"{room}.{name}.{cls.__name__}"}
    if value not in known:
        hint = did_you_mean(value, sorted(known)).strip()
        do = f"give {key}=... one of these" + (f" ({hint})" if hint else "")
        raise ConfigError(key, value, allowed=" | ".join(sorted(known)), do=do)
    return known[value]


def package_of(role: type[Choice]) -> str:
    """The package of the room whose base defines a role: runner.architecture.activation."""
    return role.__module__.rpartition(".")[0]


def nested(key: str, value: Any, role: type[Choice], plugins: tuple[str, ...]) -> Any:
    """An argument, with every node in it that names a class turned into an object of the same room."""
    if isinstance(value, dict):
        if "_target_" in value:
            return choice(key, value, role, plugins)
        return {name: nested(f"{key}.{name}", item, role, plugins) for name, item in value.items()}
    if isinstance(value, list):
        return [nested(f"{key}[{index}]", item, role, plugins) for index, item in enumerate(value)]
    return value


def resolved(key: str, target: str, role: type[Choice], plugins: tuple[str, ...]) -> type[Any]:
    """The class at a dotted path, which must be allowed before it is imported and of the right kind after."""
    room = package_of(role).removeprefix("runner.").replace(".", "/")
    allowed = (package_of(role), *(TORCH if role is Optimizer else ()), *plugins)
    module, _, name = target.rpartition(".")
    if not any(module == package or module.startswith(f"{package}.") for package in allowed):
        raise ConfigError(
            key,
            target,
            allowed=f"a class in {', '.join(allowed)}",
            do="for a package of your own, name it on the command line: plugins=[my_package]",
        )
    try:
        found = vars(importlib.import_module(module)).get(name)
    except ImportError as error:
        raise ConfigError(key, target, allowed="a module that can be imported", do=str(error)) from None
    wanted = (role, torch.optim.Optimizer) if role is Optimizer else (role,)
    if not inspect.isclass(found) or not issubclass(found, wanted) or inspect.isabstract(found):
        kinds = " or ".join(f"{kind.__module__}.{kind.__name__}" for kind in wanted)
        raise ConfigError(
            key, target, allowed=f"a class that is a kind of {kinds}", do=f"choose one from `optrun list {room}`"
        )
    return found


def refuse_unknown_expectations(made: Run) -> None:
    """Refuse an expectation of a number that the run does not measure."""
    known = [f"{part}_{name}" for part in ("val", "test") for name in ("loss", *made.loss.metrics)]
    for name, bound in made.expect.items():
        if name not in known:
            raise ConfigError(
                f"expect.{name}",
                bound,
                allowed=f"one of {', '.join(known)}",
                do=f"{did_you_mean(name, known)}name one of these",
            )


def refuse_unknown_columns(made: Run, stop: Choice) -> None:
    """Refuse a stop rule, as the user gave it, that watches what the run does not write or takes worse for better."""
    assert isinstance(stop, Stop)
    known = columns(made)
    better = {"loss": "min", **made.loss.metrics}
    for key, (column, direction) in stop.watched.items():
        if column not in known:
            raise ConfigError(
                f"stop.{key}",
                column,
                allowed=f"a column of this run: {', '.join(known)}",
                do=f"{did_you_mean(column, list(known))}name one of these",
            )
        wanted = better.get(column.split("_", 1)[-1], direction)
        if direction is not None and wanted != direction:
            where = f"stop.{key.rpartition('.')[0]}.".replace("..", ".") + "direction"
            word = "lower" if wanted == "min" else "higher"
            raise ConfigError(
                where, direction, allowed=f"{wanted}, since a {word} {column} is better", do=f"give {where}={wanted}"
            )


def described(value: Any) -> Any:
    """A choice as the plain node that builds an equal one."""
    match value:
        case Torch():
            return {"_target_": f"{value.cls.__module__}.{value.cls.__qualname__}"} | described(value.arguments)
        case Run():
            return {field.name: described(getattr(value, field.name)) for field in dataclasses.fields(value)}
        case Choice():
            target = f"{type(value).__module__}.{type(value).__qualname__}"
            fields = {field.name: described(getattr(value, field.name)) for field in dataclasses.fields(value)}
            return {"_target_": target} | fields
        case dict():
            return {name: described(item) for name, item in value.items()}
        case list() | tuple():
            return [described(item) for item in value]
        case _:
            return value


def subject(made: Run) -> str:
    """What the loss is of."""
    return made.loss.label if made.dataset.empty else f"{made.dataset.label} · {made.architecture.label}"


def title(made: Run) -> str:
    """What is trained on what, in one line, for the screen and for figures."""
    parts = [subject(made), made.optimizer.label, f"lr {made.lr:g}"]
    if not isinstance(made.schedule, Constant):
        parts.append(made.schedule.label)
    if made.regularizer.term:
        parts.append(made.regularizer.label)
    return " · ".join([*parts, f"seed {made.seed}"])
