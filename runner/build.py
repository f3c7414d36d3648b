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
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from runner.architecture.base import Architecture
from runner.core import device
from runner.core.check import Choice, Count, Positive, checked, only_known
from runner.core.errors import ConfigError, did_you_mean
from runner.dataset.base import Dataset
from runner.init.base import Init
from runner.loss.base import Loss
from runner.optimizer.base import Optimizer
from runner.optimizer.torch import Torch
from runner.preprocess.base import Preprocess
from runner.probe.base import Probe
from runner.run import Run
from runner.sampler.base import Sampler
from runner.schedule.base import Schedule
from runner.schedule.constant import Constant
from runner.stop.any_of import AnyOf
from runner.stop.base import Stop
from runner.stop.epochs import Epochs

ROOMS: dict[str, type[Choice]] = {
    "dataset": Dataset,
    "preprocess": Preprocess,
    "sampler": Sampler,
    "architecture": Architecture,
    "init": Init,
    "loss": Loss,
    "optimizer": Optimizer,
    "schedule": Schedule,
    "stop": Stop,
    "probe": Probe,
}
NUMBERS = ("lr", "batch_size", "epochs", "start", "seed", "device", "threads", "precision", "plugins", "expect")
TORCH = ("torch.optim", "pytorch_optimizer")


def from_hydra(config: DictConfig, plugins: tuple[str, ...] = ()) -> Run:
    """The run that a composed configuration describes."""
    try:
        plain = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        message, _, _ = str(error).partition("\n")
        raise ConfigError(
            str(error.full_key or ""), "", allowed="a value, or ${key} of a key that exists", do=message
        ) from None
    return run(mapping(plain), plugins)


def from_yaml(text: str, plugins: tuple[str, ...] = ()) -> Run:
    """The run that a `config.yaml` describes."""
    return run(mapping(OmegaConf.to_container(OmegaConf.create(text), resolve=False)), plugins)


def mapping(plain: Any) -> dict[str, Any]:
    """A configuration as a dictionary; refuses a yaml that holds anything else."""
    if not isinstance(plain, dict):
        raise ConfigError("config.yaml", plain, allowed="a mapping {key: value}", do="name another folder or file")
    return {str(key): value for key, value in plain.items()}


def to_yaml(made: Run) -> str:
    """The configuration of a run with every default in it; `from_yaml` of it gives an equal run."""
    return OmegaConf.to_yaml(OmegaConf.create(described(made)))


def run(config: dict[str, Any], plugins: tuple[str, ...] = ()) -> Run:
    """The run for a plain dictionary; raises `ConfigError` for the first thing that is wrong."""
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
    checked("batch_size", config.get("batch_size", 1), Count)
    checked("start", config.get("start", [1.0]), tuple[float, ...])
    node = config["optimizer"]
    default_lr = node.get("lr") if isinstance(node, dict) else None
    lr = checked("lr", config["lr"], Positive, *([default_lr] if isinstance(default_lr, int | float) else []))
    epochs = checked("epochs", config["epochs"], Count)
    name = checked("device", config.get("device", "auto"), str)
    device.resolve(name)
    parts = {room: choice(room, config[room], role, plugins) for room, role in ROOMS.items()}
    parts["stop"] = bounded(parts["stop"], epochs)
    made = Run(
        **parts,  # type: ignore[arg-type]
        lr=lr,
        epochs=epochs,
        seed=config["seed"],
        device=name,
        threads=config.get("threads", "auto"),
        precision=config.get("precision", "float32"),
        expect=config.get("expect") or {},
    )
    refuse_unknown_expectations(made)
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
            do=f"choose one from `optrun list {key}`"
            + (", or give optimizer._target_=torch.optim.Adagrad, say" if key == "optimizer" else ""),
        )
    cls = resolved(f"{key}._target_", node["_target_"], role, plugins)
    taken = ("_target_", "lr") if role is Optimizer else ("_target_",)  # lr has become the key at the top
    given = {name: value for name, value in node.items() if name not in taken}
    try:
        if issubclass(cls, torch.optim.Optimizer):
            made = Torch(cls=cls, arguments=given)
            made.make([torch.nn.Parameter(torch.zeros(2, 2))], lr=0.1)  # its own checks, before any training
            return made
        only_known(cls, given)
        for name, value in given.items():
            given[name] = nested(f"{key}.{name}", value, role, plugins)
        built: Choice = cls(**{name: value for name, value in given.items() if value != "???"})
        return built
    except ConfigError as error:
        raise (error if error.refusal.key.startswith(key) else error.under(key)) from None


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
    room = next((name for name, base in ROOMS.items() if base is role), "")
    allowed = (f"runner.{room}", *(TORCH if role is Optimizer else ()), *plugins)
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


def title(made: Run) -> str:
    """What is trained on what, in one line, for the screen and for figures."""
    subject = [made.loss.label] if made.dataset.empty else [made.dataset.label, made.architecture.label]
    parts = [*subject, made.optimizer.label, f"lr {made.lr:g}"]
    if not isinstance(made.schedule, Constant):
        parts.append(made.schedule.label)
    return " · ".join([*parts, f"seed {made.seed}"])
