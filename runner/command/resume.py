"""`optrun resume FOLDER`: a run, a sweep or a tune goes on where it was."""

from __future__ import annotations

from runner.command import tune
from runner.command.base import (
    BUDGET,
    WAYS,
    given_for,
    is_tune,
    one_folder,
    refuse_several,
    refuse_ways,
    screen,
    ways_in,
)
from runner.composing import prepared
from runner.core.launched import place
from runner.grammar import plugin_names


def asked(arguments: list[str]) -> int:
    """What is not completed runs; a tune may be given a new budget."""
    path, others = one_folder("resume", arguments, ("plugins", *WAYS), of_a_tune=BUDGET)
    from runner import job
    from runner.lecture import launch as lecture
    from runner.lecture.launch import is_lecture
    from runner.sweep import launch
    from runner.sweep.base import is_sweep

    prepared(others)
    if is_tune(path) or is_sweep(path):
        refuse_several("resume of a sweep")
    if is_tune(path):
        return tune.resumed(path, given_for(BUDGET, others), others)
    if is_lecture(path):
        return lecture.resume(path, launch.Way(plugin_names(others), screen(), **ways_in(others)))
    if is_sweep(path):
        return launch.resume(path, launch.Way(plugin_names(others), screen(), **ways_in(others)))
    refuse_ways(others)
    if place().shared:
        from runner import parallel

        return parallel.resume(path, plugin_names(others), screen()).exit_code
    return job.resume(path, plugin_names(others), screen()).exit_code
