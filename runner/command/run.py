"""`optrun [key=value ...]`: one run."""

from __future__ import annotations

from runner.command.base import refuse_ways, screen
from runner.composing import composed
from runner.core.launched import place
from runner.grammar import plugin_names, spelled


def asked(arguments: list[str]) -> int:
    """Compose it, which leaves nothing behind where it is refused, and train."""
    refuse_ways(arguments)
    config, path = composed(arguments)
    from runner import build, job
    from runner.store.folder import clear_abandoned

    run = build.from_hydra(config, plugin_names(arguments))
    if place().shared:
        from runner import parallel

        return parallel.start(run, path, spelled(arguments), screen()).exit_code
    clear_abandoned(path.absolute().parent)
    return job.start(run, path, spelled(arguments), screen()).exit_code
