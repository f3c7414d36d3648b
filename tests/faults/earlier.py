"""Folders for the tests of later versions: `python -m tests.faults.earlier ARCHIVE` before a format changes.

They are made of numbers that every processor rounds alike, for a run is resumed only from the weights that it was
started with: uniform draws, minimum and maximum, no logarithm and no sum.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import zipfile
from pathlib import Path

from runner.selftest.program import completed, finished, rows, started, until

ARGUMENTS = (
    *("dataset=iris", "preprocess=min_max", "init=kaiming_uniform", "architecture.hidden=[4]", "batch_size=10"),
    *("optimizer=momentum", "architecture.dropout=0.2", "stop=epochs", "device=cpu", "threads=1"),
)
LONG = (*ARGUMENTS, "epochs=200")
DERIVED = (".png", ".svg")


def made(folder: Path) -> None:
    """A completed run, an interrupted one, a sweep whose second run is interrupted."""
    completed(*LONG, "hydra.run.dir=completed", cwd=folder)
    interrupted(folder, folder / "interrupted", *LONG, "hydra.run.dir=interrupted")
    ways = ("-m", *LONG, "seed=0,1", "lanes=off", "workers=1", "hydra.sweep.dir=sweep")
    interrupted(folder, folder / "sweep" / "1", *ways)


def interrupted(folder: Path, run: Path, *arguments: str) -> None:
    """Train until a run has some rows."""
    process = started(*arguments, cwd=folder)
    until(lambda: rows(run) >= 20, process)
    process.send_signal(signal.SIGTERM)
    assert finished(process).code == 128 + signal.SIGTERM


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        made(Path(scratch))
        with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(Path(scratch).rglob("*")):
                if path.is_file() and path.suffix not in DERIVED:
                    archive.write(path, path.relative_to(scratch))
