"""`optrun schedule [schedule=NAME schedule.x=...] [epochs= steps= lr=]`: what it would do, without training."""

from __future__ import annotations

import re

from runner.command.base import given_for, home, refuse_many, without
from runner.composing import composed, prepared, split_flags
from runner.core.errors import ConfigError, did_you_mean
from runner.grammar import plugin_names

KNOWN = ("schedule", "lr", "epochs", "steps", "optimizer", "plugins", "hydra.run.dir")


def asked(arguments: list[str]) -> int:
    """Print it line by line, and draw it."""
    for override in split_flags(arguments)[2]:
        key = override.lstrip("+").split("=")[0]
        if re.split(r"[.@]", key)[0] not in KNOWN and key not in KNOWN:
            raise ConfigError(
                "",
                f"optrun schedule {override}",
                allowed=f"optrun schedule with the keys {', '.join(KNOWN)}",
                do=f"{did_you_mean(key, list(KNOWN))}leave out what has no part in the rate",
            )
    refuse_many("schedule", arguments, "one schedule")
    own, others = given_for(("steps",), arguments), without(("steps",), arguments)
    prepared(others)
    config, path = composed(others)
    from runner import build, preview
    from runner.core.check import Count, checked

    steps = checked("steps", own.get("steps", preview.STEPS), Count, preview.STEPS)
    run = build.from_hydra(config, plugin_names(others))
    for line in preview.show(run, steps, home(path, others)):
        print(line)
    return 0
