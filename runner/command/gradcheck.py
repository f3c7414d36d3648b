"""`optrun gradcheck [key=value ...]`: whether the gradient of a run is the slope of its loss."""

from __future__ import annotations

from runner.command.base import refuse_many
from runner.composing import composed, prepared
from runner.grammar import plugin_names


def asked(arguments: list[str]) -> int:
    """Compare the gradient of a run with finite differences, without training."""
    refuse_many("gradcheck", arguments)
    prepared(arguments)
    config, _ = composed(arguments)
    from runner import build, gradcheck

    for line in gradcheck.show(build.from_hydra(config, plugin_names(arguments))):
        print(line)
    return 0
