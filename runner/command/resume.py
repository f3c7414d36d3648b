"""`optrun resume FOLDER`: a run, a sweep or a tune goes on where it was."""

from __future__ import annotations

from runner.command import tune
from runner.command.base import (
    BUDGET,
    given_for,
    is_tune,
    is_way,
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
    ways = [argument for argument in arguments if is_way(argument)]
    rest = [argument for argument in arguments if not is_way(argument)]
    path, others = one_folder("resume", rest, ("plugins",), of_a_tune=BUDGET)
    from runner import job
    from runner.lecture import launch as lecture
    from runner.lecture.launch import is_lecture
    from runner.sweep import launch
    from runner.sweep.base import is_sweep
    from runner.sweep.way import Way

    prepared(others)
    if is_tune(path) or is_sweep(path):
        refuse_several("resume of a sweep")
    if is_tune(path):
        return tune.resumed(path, given_for(BUDGET, others), [*others, *ways])
    if is_lecture(path):
        return lecture.resume(path, Way(plugin_names(others), screen(), **ways_in(ways)))
    if is_sweep(path):
        return launch.resume(path, Way(plugin_names(others), screen(), **ways_in(ways)))
    refuse_ways(ways)
    if place().shared:
        from runner import parallel

        return parallel.resume(path, plugin_names(others), screen()).exit_code
    return job.resume(path, plugin_names(others), screen()).exit_code
