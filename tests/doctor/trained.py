"""From the words of a command to what the doctor says of the run."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir

import runner
from runner import build, checkup, grammar, job
from runner.doctor.base import Case
from runner.doctor.rules import RULES
from runner.screen.base import Silent
from tests.doctor.planted import PLUGINS, Words


def trained(words: Words, path: Path) -> None:
    """Train a run of these words in a new folder."""
    sys.path.append(str(Path(runner.__file__).parent / "plugins"))
    torch.set_num_threads(1)
    with initialize_config_dir(str(grammar.CONF), version_base="1.3"):
        config = compose("config", [*grammar.lenient(list(words)), "hydra/launcher=basic"])
    job.start(build.from_hydra(config, PLUGINS), path, grammar.spelled(words), Silent(), pictures=False)


def looked_at(words: Words, path: Path) -> Case:
    """Train a run of these words, and look at it again from its folder."""
    trained(words, path)
    return checkup.looked_at(path, PLUGINS)[0]


def named(case: Case) -> list[str]:
    """The rules that see something, in their order."""
    return [type(rule).__name__ for rule in RULES if rule.look(case)]
