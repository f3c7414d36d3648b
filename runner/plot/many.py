"""The curves of many runs, drawn in several processes: one takes 0.2 s of a core, ten thousand half an hour."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from runner.core.errors import OptrunError
from runner.plot import curves

CHUNK = 8  # folders handed to a process at once: asking for the next ones then costs nothing beside drawing


def draw(folders: Sequence[Path], processes: int) -> dict[Path, str]:
    """Draw `curves.png` and `curves.svg` of run folders; returns why not, for each that could not be drawn.

    The pictures are those that `curves.draw` makes, to the byte. A run that cannot be drawn stops no other.
    """
    # Not forked: a process with the threads of torch in it may hang in its copy.
    start = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max(1, min(processes, len(folders))), mp_context=start) as pool:
        causes = pool.map(_cause, folders, chunksize=CHUNK)
        return {folder: cause for folder, cause in zip(folders, causes, strict=True) if cause}


def _cause(folder: Path) -> str:
    try:
        curves.draw(folder)
    except OptrunError as error:
        return str(error)
    return ""
