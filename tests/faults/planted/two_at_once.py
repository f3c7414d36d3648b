"""Nobody is kept out by a lock, and a folder is taken whether or not there is a run in it."""

from __future__ import annotations

from pathlib import Path

from runner import job
from runner.store import folder, lock
from runner.sweep import launch


def accepting(path: Path) -> None:
    """Refuse nothing."""


lock.lock_taken = lambda descriptor, kind: True
folder.refuse_taken = job.refuse_taken = launch.refuse_taken = accepting
