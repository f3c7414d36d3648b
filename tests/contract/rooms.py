"""The choices of a room, found by listing its folder, so that a newcomer is examined without being named anywhere."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import typing
from pathlib import Path
from typing import Annotated, Any, Literal

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

import runner
from runner import build, menu
from runner.core.check import Choice, Range, arguments

RUNNER = Path(runner.__file__).parent


def package(room: str) -> str:
    """The package of a room, or of a room inside another: architecture/activation."""
    return f"runner.{room.replace('/', '.')}"


def role(room: str) -> type[Choice]:
    """The abstract class of a room: the one in base.py from which the others of that file descend."""
    module = importlib.import_module(f"{package(room)}.base")
    found = [cls for cls in own_classes(module) if Choice in cls.__bases__]
    (one,) = (cls for cls in found if inspect.isabstract(cls))
    return one


def own_classes(module: Any) -> list[type]:
    return [found for found in vars(module).values() if inspect.isclass(found) and found.__module__ == module.__name__]


def choices(room: str) -> dict[str, type[Any]]:
    """File name -> the one concrete class of that role in it; a file without any is no choice."""
    found = {}
    for path in sorted((RUNNER / room).glob("*.py")):
        if path.stem in ("__init__", "base"):
            continue
        module = importlib.import_module(f"{package(room)}.{path.stem}")
        concrete = [cls for cls in own_classes(module) if issubclass(cls, role(room)) and not inspect.isabstract(cls)]
        if concrete:
            (found[path.stem],) = concrete
    assert found, f"runner/{room} holds no choice"
    return found


def made(room: str, name: str) -> Any:
    """A choice as its yaml makes it, with the choice that may be inside it."""
    with initialize_config_dir(str(menu.conf_dir().resolve()), version_base="1.3"):
        config = compose(f"{room}/{name}")
    node = OmegaConf.to_container(config, resolve=True)
    assert isinstance(node, dict)
    return build.choice(room, node[room], role(room), ())


def variants(cls: type[Any], given: Any = None) -> dict[str, tuple[Any, Any]]:
    """Argument -> two records of a choice that differ in it alone: one number or word changed, in its range.

    `given` is the first of the two, for a class that cannot be made without arguments.
    """
    first = cls() if given is None else given
    found = {}
    for name, (annotation, default) in arguments(cls).items():
        for place, other in others(annotation, default):
            found[f"{name}{place}"] = (first, dataclasses.replace(first, **{name: other}))
    return found


def others(annotation: Any, default: Any) -> list[tuple[str, Any]]:
    """(place, value): for each number or word in an argument, a value that differs from the default in it alone."""
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if default is dataclasses.MISSING:
        return []
    if origin is Annotated:
        ranges = [part for part in parts[1:] if isinstance(part, Range)]
        candidates = [default + 1] if parts[0] is int else [default / 2, 0.25, 2.0, default * 1000]
        return [("", next(c for c in candidates if c != default and all(c in bounds for bounds in ranges)))]
    if annotation is float:
        return [("", default / 2 + 0.25)]
    if annotation is bool:
        return [("", not default)]
    if origin is Literal:
        return [("", part) for part in parts if part != default]
    if origin is tuple and Ellipsis not in parts:
        return [
            (f"[{index}]{place}", (*default[:index], other, *default[index + 1 :]))
            for index, part in enumerate(parts)
            for place, other in others(part, default[index])
        ]
    return []
