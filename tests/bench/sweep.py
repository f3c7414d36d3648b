"""The time of whole sweeps: 32 learning rates on the digits, 30 epochs, all files written.

Every side starts from the shell. The rivals: a call of `optrun` for each rate (one call is timed and multiplied);
Hydra's basic launcher, which runs the jobs one after the other in one process, and its joblib launcher with two jobs at
a time; and our own launcher without what makes it fast, one after the other in one process.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from tests.bench.turns import Comparison, Timed, in_turns

ROOT = Path(__file__).parents[2]
OPTRUN = [sys.executable, "-m", "runner"]
RATES = [f"{10 ** (-4 + 3 * i / 31):.4g}" for i in range(32)]  # from 0.0001 to 0.1
SMALL, WIDE = "architecture.hidden=[32,32]", "architecture.hidden=[128,128]"
BASIC = ("hydra/launcher=basic", "hydra/sweeper=basic")
ONE_BY_ONE = ("lanes=off", "workers=1")
GROWTH = (16, 128, 512)
JOBLIB = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")


def comparisons(folder: str, seconds: float) -> Iterator[Comparison]:
    """Our sweep against its rivals, wall time, in about so many seconds each."""

    def sweep(network: str, *more: str) -> Timed:
        return lambda: timed(folder, "-m", f"lr={','.join(RATES)}", network, *more)

    def calls() -> float:
        return len(RATES) * timed(folder, "lr=0.01", SMALL)

    rivals: list[tuple[str, str, Timed, float | None]] = [
        ("64-32-32-10 : 32 calls of optrun (one call x 32)", SMALL, calls, 1 / 20),
        ("64-32-32-10 : hydra/launcher=basic", SMALL, sweep(SMALL, *BASIC), 1 / 5),
        ("64-32-32-10 : lanes=off workers=1", SMALL, sweep(SMALL, *ONE_BY_ONE), None),
        ("64-32-32-10 : hydra/launcher=joblib, 2 jobs", SMALL, sweep(SMALL, *JOBLIB), 1 / 3),
        ("64-128-128-10 : hydra/launcher=basic", WIDE, sweep(WIDE, *BASIC), 1 / 2.5),
        ("64-128-128-10 : lanes=off workers=1", WIDE, sweep(WIDE, *ONE_BY_ONE), None),
    ]
    for what, network, theirs, bound in rivals:
        times = in_turns({"ours": sweep(network), "theirs": theirs}, seconds)
        yield Comparison(what, times["ours"], times["theirs"], bound)


def growth(folder: str) -> Iterator[str]:
    """Sweeps of more and more runs of one epoch: the time, the part of it that is not training, the peak of memory."""
    yield f"{'runs':>6}{'s':>8}{'ms a run':>10}{'not training, ms a run':>24}{'peak, MB':>10}"
    first: tuple[int, float, float] | None = None
    for runs in GROWTH:
        name = f"growth{runs}"
        seconds, peak = measured(folder, "-m", f"seed=range({runs})", "epochs=1", *ONE_BY_ONE, into=name)
        trained = sum(map(training_s, (Path(folder) / name).glob("*/timing.csv")))
        first = first or (runs, seconds, trained)
        more = runs - first[0]
        each = f"{1e3 * (seconds - first[1]) / more:.2f}" if more else ""
        own = f"{1e3 * (seconds - first[1] - (trained - first[2])) / more:.2f}" if more else ""
        yield f"{runs:>6}{seconds:>8.2f}{each:>10}{own:>24}{peak:>10.0f}"


def linear(folder: str) -> Iterator[str]:
    """How the time of whole sweeps grows with their runs, and with their epochs: a line and a bar for each."""
    yield f"{'runs':>6}{'epochs':>8}{'s':>8}{'ms a run and epoch':>20}{'peak, MB':>10}"
    sizes = [*((runs, 10) for runs in (8, 32, 128, 512)), *((64, epochs) for epochs in (10, 40, 160))]
    found = []
    for runs, epochs in sizes:
        more = (SMALL, f"seed=range({runs})", f"epochs={epochs}", "stop=epochs")
        found.append((runs, epochs, *measured(folder, "-m", *more, into=f"linear{runs}_{epochs}")))
    longest = max(seconds for _, _, seconds, _ in found)
    for runs, epochs, seconds, peak in found:
        bar = "#" * round(40 * seconds / longest)
        yield f"{runs:>6}{epochs:>8}{seconds:>8.2f}{1e3 * seconds / runs / epochs:>20.3f}{peak:>10.0f}  {bar}"


def training_s(path: Path) -> float:
    """The seconds of the epochs of a run."""
    with open(path, newline="") as file:
        return sum(float(row["epoch_s"]) for row in csv.DictReader(file))


@contextmanager
def scratch() -> Iterator[str]:
    """A folder beside the runs, on the disk that they are written to, for all that is measured.

    Nothing in it may be deleted in between: for half a minute ext4 does not give an inode again and looks past every
    such one when a file is made, which then takes up to 0.6 ms and not 0.02.
    """
    (ROOT / "outputs").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".bench.", dir=ROOT / "outputs") as folder:
        yield folder


_names = count()


def timed(folder: str, *arguments: str) -> float:
    """The seconds of one command, into a new folder."""
    return measured(folder, *arguments, into=f"run{next(_names)}")[0]


def measured(folder: str, *arguments: str, into: str) -> tuple[float, float]:
    """(seconds, peak of memory in MB of the largest of its processes) of one command."""
    where = [f"hydra.run.dir={into}", f"hydra.sweep.dir={into}"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))}
    begun = time.perf_counter()
    process = subprocess.Popen(
        [*OPTRUN, *arguments, *where], cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{arguments} ended with {process.returncode}"
    return time.perf_counter() - begun, usage.ru_maxrss / 1024
