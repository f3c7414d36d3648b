"""`optrun plot FOLDER`: draw a run, a sweep or a tune again."""

from __future__ import annotations

from runner.command import tune
from runner.command.base import is_tune, one_folder, screen
from runner.composing import prepared
from runner.core.errors import visible


def asked(arguments: list[str]) -> int:
    """From its tables alone."""
    path, others = one_folder("plot", arguments, ("plugins",))
    from runner import job
    from runner.lecture.launch import is_lecture, judged
    from runner.sweep import launch
    from runner.sweep.base import is_sweep

    prepared(others)
    if is_tune(path):
        return tune.redrawn(path)
    if is_lecture(path):
        return judged(path, screen())
    if is_sweep(path):
        return launch.redraw(path, screen())
    for picture in job.redraw(path, screen()):
        print(visible(str(picture)))
    return 0
