"""The engine of a sweep in its sweep.json, so that whoever takes the sweep up again need not name it.

A sweep of a cluster that is resumed on its login node must not be trained there. But a folder may come from somebody
else: what decides with whom this machine speaks, or is written into a script of Slurm's, is kept for a person to read
and to type, and is never taken from a file by itself.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from runner.core.check import arguments
from runner.core.errors import ConfigError, CorruptError
from runner.sweep.engine.base import Engine, Workers
from runner.sweep.engine.menu import ENGINES, chosen

PLAIN = re.compile(r"[A-Za-z0-9_.,-]+")  # what partitions and accounts are called; no line of a script ends in it


def noted(engine: Engine, wanted: Workers) -> dict[str, Any]:
    """What sweep.json keeps of an engine: its name, and what of it is not at its default.

    How many workers a cluster lends is a matter of the cluster; how many a machine has is another one's on another
    machine.
    """
    (name,) = (name for name, kind in ENGINES.items() if kind is type(engine))
    every = {key: (getattr(engine, key), default) for key, (_, default) in arguments(type(engine)).items()}
    given = {key: value for key, (value, default) in every.items() if value != default}
    return {"name": name, "given": given, "workers": wanted if engine.elsewhere else "auto"}


def again(kept: Mapping[str, Any]) -> tuple[Engine, Workers]:
    """The engine that was noted, and for how many workers.

    Raises `ConfigError` where it has an argument that only a person may give, `CorruptError` where it is none.
    """
    engine = chosen(kept["name"], kept["given"])
    for key, value in kept["given"].items():
        if key in engine.typed or (isinstance(value, str) and not PLAIN.fullmatch(value)):
            raise ConfigError(
                f"engine.{key}",
                f"{shown(value)}, which the folder of the sweep says,",
                allowed="from the command line alone, since a folder may be a stranger's",
                do=f"add {words(kept)} where you trust these words, or name another engine",
            )
    workers = kept["workers"]
    if workers != "auto" and not (type(workers) is int and workers >= 1):
        raise CorruptError(f"the engine in sweep.json has workers={workers}, which is no number of them")
    return engine, workers


def shown(value: Any) -> str:
    """An argument in a message."""
    return ",".join(f"{key}={each}" for key, each in value.items()) if isinstance(value, dict) else str(value)


def words(kept: Mapping[str, Any]) -> str:
    """What one would type for the same."""
    return shlex.join(_words(kept))


def _words(kept: Mapping[str, Any]) -> Iterator[str]:
    yield f"engine={kept['name']}"
    for key, value in kept["given"].items():
        if isinstance(value, dict):
            yield from (f"engine.{key}.{name}={each}" for name, each in value.items())
        else:
            yield f"engine.{key}={value}"
    if kept["workers"] != "auto":
        yield f"workers={kept['workers']}"
