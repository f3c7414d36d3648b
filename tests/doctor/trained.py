"""From the words of a command to what the doctor says of the run."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir

import runner
from runner import build, checkup, grammar, job
from runner.doctor.base import Case, command
from runner.doctor.rules import RULES, findings
from runner.run import Run
from runner.screen.base import Silent
from tests.doctor.planted import PLUGINS, Words


def built(words: Words) -> Run:
    """The run of these words."""
    sys.path.append(str(Path(runner.__file__).parent / "plugins"))
    with initialize_config_dir(str(grammar.CONF), version_base="1.3"):
        config = compose("config", [*grammar.lenient(list(words)), "hydra/launcher=basic"])
    return build.from_hydra(config, PLUGINS)


def trained(words: Words, path: Path) -> None:
    """Train a run of these words in a new folder."""
    torch.set_num_threads(1)
    job.start(built(words), path, grammar.spelled(words), Silent(), pictures=False)


def idle_advice(case: Case, words: Words) -> list[str]:
    """The findings whose command gives the same run again; raises `ConfigError` for one that gives none.

    >>> from tests.doctor.cases import case
    >>> words = ("optimizer=sgd", "lr=0.01")
    >>> idle_advice(case(train=[1.0, 100.0, *[0.8] * 10], neighbours={}), words)  # it has lr=0.1: try 0.01
    ['rate much too high (instability)']
    """
    given = shlex.join(["optrun", *words])
    tried = {each.name: built(tuple(shlex.split(command(given, each.change))[1:])) for each in findings(case)}
    return [name for name, run in tried.items() if run == built(words)]


def looked_at(words: Words, path: Path) -> Case:
    """Train a run of these words, and look at it again from its folder."""
    trained(words, path)
    return checkup.looked_at(path, PLUGINS)[0]


def named(case: Case) -> list[str]:
    """The rules that see something, in their order."""
    return [type(rule).__name__ for rule in RULES if rule.look(case)]
