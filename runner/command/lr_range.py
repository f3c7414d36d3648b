"""`optrun lr_range [key=value ...] [low= high= steps=]`: the learning-rate range test."""

from __future__ import annotations

from typing import Any

from runner.command.base import given_for, home, refuse_many, without
from runner.composing import composed, prepared
from runner.grammar import plugin_names

OWN = ("low", "high", "steps")


def asked(arguments: list[str]) -> int:
    """A short training with growing rates; print and draw what they suggest."""
    refuse_many("lr_range", arguments)
    own, others = given_for(OWN, arguments), without(OWN, arguments)
    prepared(others)
    config, path = composed(others)
    from runner import build, lr_range
    from runner.core.check import Rate, checked

    usual = {"low": lr_range.LOW, "high": lr_range.HIGH, "steps": lr_range.STEPS}
    roles: dict[str, Any] = {"low": Rate, "high": Rate, "steps": lr_range.Steps}
    low, high, steps = (checked(key, own.get(key, usual[key]), roles[key], usual[key]) for key in usual)
    run = build.from_hydra(config, plugin_names(others))
    for line in lr_range.show(run, low, high, steps, home(path, others)):
        print(line, flush=True)
    return 0
