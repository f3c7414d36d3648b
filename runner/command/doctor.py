"""`optrun doctor FOLDER`: what is wrong with a run, by the numbers, and the command to try next."""

from __future__ import annotations

from runner.command.base import is_tune, one_folder
from runner.composing import prepared
from runner.core.errors import ConfigError, visible
from runner.grammar import plugin_names


def asked(arguments: list[str]) -> int:
    """Build the run again, measure it at its first and its last parameters, and print what the rules see."""
    path, others = one_folder("doctor", arguments, ("plugins",))
    from runner import checkup
    from runner.sweep.base import is_sweep

    prepared(others)
    if is_tune(path) or is_sweep(path):
        raise ConfigError("", path, allowed="the folder of one run", do=f"name one of this sweep, as in {path / '0'}")
    for line in checkup.report(path, plugin_names(others)):
        print(visible(line), flush=True)
    return 0
