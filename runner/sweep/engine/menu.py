"""The engines by name, with what may be asked of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.core.check import only_known
from runner.core.errors import ConfigError, did_you_mean
from runner.sweep.engine.auto import Auto
from runner.sweep.engine.base import Engine
from runner.sweep.engine.here import Here
from runner.sweep.engine.processes import Processes
from runner.sweep.engine.ray import Ray
from runner.sweep.engine.slurm import Slurm

ENGINES: dict[str, type[Engine]] = {"auto": Auto, "here": Here, "processes": Processes, "slurm": Slurm, "ray": Ray}


def chosen(name: str, given: Mapping[str, Any]) -> Engine:
    """The engine of a name with its arguments.

    Raises `ConfigError` for a name or an argument that there is not, and for a value that is not allowed.

    >>> chosen("slurm", {"partition": "short", "time": 5})
    Slurm(cpus=1, gpus=0, partition='short', account=None, time=5, memory=None, sbatch={})
    """
    if name not in ENGINES:
        do = f"{did_you_mean(name, list(ENGINES))}give one of these"
        raise ConfigError("engine", name, allowed=", ".join(ENGINES), do=do)
    kind = ENGINES[name]
    try:
        only_known(kind, dict(given))
        return kind(**given)
    except ConfigError as error:
        raise error.under("engine") from None
