"""Extending a sweep: its jobs are found in the new grid by their configuration, and only the others are new.

The new grid must hold all that is there. What else was changed would make runs that cannot be compared stand in one
table, and is refused by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from runner.core.errors import ConfigError, shown
from runner.sweep.base import Job

NAMED = 3  # differences that a message lists


def divided(path: Path, there: Sequence[Job], grid: Sequence[Job]) -> tuple[list[Job], list[Job]]:
    """(the jobs of a sweep, the jobs of a larger grid that it lacks).

    A job of the sweep keeps its number and its folder, and is called by its overrides in the new grid, which may vary
    what the old one did not. Raises `ConfigError` for a grid that lacks a job of the sweep.
    """
    again = {spelled(job): job for job in grid}
    for job in there:
        if spelled(job) not in again:
            raise ConfigError(
                "--extend",
                path,
                allowed="the same command with more values: every run of the sweep is in the new grid",
                do=f"{different(job, there, grid)}; give the old values beside the new ones, or choose a new folder",
            )
    known = {spelled(job) for job in there}
    kept = [replace(job, overrides=again[spelled(job)].overrides) for job in there]
    return kept, [job for job in grid if spelled(job) not in known]


def spelled(job: Job) -> str:
    """The configuration of a job as text; of one that has none, its overrides."""
    return repr(sorted(leaves(job.config).items()) or job.overrides)


def different(missing: Job, there: Sequence[Job], grid: Sequence[Job]) -> str:
    """In words, what stands in the way of an extension that lacks a job."""
    before, now = fixed(there), fixed(grid)
    changed = sorted((key for key in before.keys() & now.keys() if before[key] != now[key]), key=depth)
    if changed:
        listed = [f"{key} is {shown(before[key])} there and {shown(now[key])} here" for key in changed[:NAMED]]
        return ", ".join(listed).replace("._target_", "") + (" (and more)" if len(changed) > NAMED else "")
    return f"the sweep has {' '.join(missing.overrides)}, which this grid lacks"


def depth(key: str) -> tuple[int, str]:
    """What a person gives stands before what follows from it: epochs before stop.rules.epochs.epochs."""
    return key.count("."), key


def fixed(jobs: Sequence[Job]) -> dict[str, Any]:
    """The settings that all jobs have in common."""
    every = [leaves(job.config) for job in jobs if job.config]
    first, *others = every or [{}]
    return {key: value for key, value in first.items() if all(other.get(key, ...) == value for other in others)}


def leaves(tree: Any, prefix: str = "") -> dict[str, Any]:
    """A configuration as dotted keys.

    >>> leaves({"lr": 0.1, "stop": {"epochs": 3, "rules": {}}})
    {'lr': 0.1, 'stop.epochs': 3, 'stop.rules': {}}
    """
    if not isinstance(tree, dict) or not tree:
        return {prefix: tree} if prefix else {}
    found: dict[str, Any] = {}
    for key, value in tree.items():
        found |= leaves(value, f"{prefix}.{key}" if prefix else str(key))
    return found
