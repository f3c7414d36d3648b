from __future__ import annotations

import csv
import json
import shutil
import signal
import zipfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, final

from runner.selftest.base import Area, Effort, Trial
from runner.selftest.program import completed, differing, finished, ran, remains, rows, started, until

CLOCK = "runner.selftest.inside.clock"
EARLIER = Path(__file__).parent / "earlier"  # what earlier versions left, one archive a format
SMALL = ("dataset=iris", "architecture.hidden=[4]", "architecture.dropout=0.2", "stop=epochs")
# Central Europe in the notation of POSIX, which needs no table of time zones. Its clocks showed 2 to 3 o'clock twice on
# 26 October 2025: the summer hour began at midnight UTC, the winter hour at one.
ZONE = {"TZ": "CET-1CEST,M3.5.0,M10.5.0/3"}
SUMMER_HOUR, HOUR = 1_761_436_800, 3600
LIMIT_S = 1  # of the run whose limit is in seconds


@final
class Time(Area):
    """A wall clock that stands still, runs backwards, jumps; and folders that were written in the past."""

    name = "time"
    promise = "no clock matters: folders unique, limits monotonic; earlier folders are resumed"

    def trials(self, folder: Path, effort: Effort) -> Iterator[Trial]:
        hours = [SUMMER_HOUR, SUMMER_HOUR, SUMMER_HOUR + HOUR]
        yield unique("in one second of the hour that comes twice", hours, folder / "hour")
        if effort == "full":
            yield unique("in one second", [SUMMER_HOUR] * 16, folder / "second")
            yield unique("in one second, sweeps", [SUMMER_HOUR] * 4, folder / "sweeps", ("-m", "seed=0,1"))
        yield from same_bytes(folder, effort)
        yield limited(folder)
        for archive in sorted(EARLIER.glob("*.zip")):
            yield from read_again(archive, folder / archive.stem, effort)


def clock(start: int, step: int = 0) -> dict[str, str]:
    """The environment of a wrong clock, in a zone where it matters."""
    return {"OPTRUN_CLOCK": f"{start},{step}", **ZONE}


def unique(what: str, starts: list[int], folder: Path, flags: tuple[str, ...] = ()) -> Trial:
    """Whether programs that are started together, with these clocks, each have a folder of their own."""
    folder.mkdir()
    arguments = (*flags, *SMALL, "epochs=1")
    processes = [started(*arguments, cwd=folder, module=CLOCK, env=clock(start)) for start in starts]
    codes = [finished(process).code for process in processes]
    kind = "sweep.json" if flags else "summary.json"
    found = sorted(path.parent.name for path in folder.glob(f"outputs/*/{kind}"))
    held = codes == [0] * len(starts) and len(found) == len(starts)
    shutil.rmtree(folder) if held else None
    return Trial(f"{len(starts)} started {what}", held, f"exit codes {codes}, folders {found}")


def same_bytes(folder: Path, effort: Effort) -> Iterator[Trial]:
    """A run on a clock that is set back at every look, and one that is interrupted and resumed years before."""
    epochs = 1000 if effort == "full" else 300
    arguments = (*SMALL, f"epochs={epochs}")
    completed(*arguments, "hydra.run.dir=whole", cwd=folder)
    whole = remains(folder / "whole")
    completed(*arguments, "hydra.run.dir=back", cwd=folder, module=CLOCK, env=clock(SUMMER_HOUR, -HOUR))
    yield compared("a clock set back by an hour at every look", whole, folder / "back")
    cut = folder / "cut"
    process = started(*arguments, "hydra.run.dir=cut", cwd=folder, module=CLOCK, env=clock(SUMMER_HOUR))
    until(lambda: rows(cut) > 0, process)
    process.send_signal(signal.SIGTERM)
    finished(process)
    completed("resume", "cut", cwd=folder, module=CLOCK, env=clock(HOUR))
    yield compared("interrupted in 2025, resumed in 1970", whole, cut)
    for name in ("back", "cut"):
        yield forward(folder / name)


def compared(what: str, whole: dict[str, Any], folder: Path) -> Trial:
    """Whether a run left what the one on the machine's clock left."""
    names = differing(whole, remains(folder))
    return Trial(what, not names, f"differs from the run on the right clock in {', '.join(names)}")


def forward(folder: Path) -> Trial:
    """Whether the seconds in timing.csv grow from row to row."""
    with open(folder / "timing.csv", encoding="ascii", newline="") as file:
        elapsed = [float(row["time_s"]) for row in csv.DictReader(file)]
    wrong = sum(not earlier <= later for earlier, later in pairwise(elapsed))
    return Trial(f"seconds of {len(elapsed)} epochs", not wrong, f"they go back {wrong} times")


def limited(folder: Path) -> Trial:
    """Whether a limit in seconds is a limit by the monotonic clock, on a wall clock that runs backwards."""
    arguments = (*SMALL[:-1], "epochs=1000000", "stop=seconds", f"stop.seconds={LIMIT_S}", "hydra.run.dir=limited")
    completed(*arguments, cwd=folder, module=CLOCK, env=clock(SUMMER_HOUR, -HOUR))
    summary = json.loads((folder / "limited" / "summary.json").read_text(encoding="utf-8"))
    # The step in progress and the evaluation after it come on top: milliseconds, but the machine may be busy.
    held = LIMIT_S <= summary["train_s"] < 10 * LIMIT_S
    return Trial("a limit of one second on a clock that runs backwards", held, f"{summary['train_s']} s")


def read_again(archive: Path, folder: Path, effort: Effort) -> Iterator[Trial]:
    """What an earlier version left: a completed run is drawn, an interrupted run and a sweep are resumed."""
    with zipfile.ZipFile(archive) as kept:
        kept.extractall(folder)
    version = archive.stem
    if effort == "full":
        done = ran("resume", "completed", cwd=folder)
        told = done.code == 0 and "there is nothing to resume" in done.out
        yield Trial(f"a completed run of {version}", told, f"exit code {done.code}\n{done.out}{done.err}")
    done = ran("plot", "completed", cwd=folder)
    drawn = done.code == 0 and (folder / "completed" / "curves.png").stat().st_size > 0
    yield Trial(f"pictures of a run of {version}", drawn, f"exit code {done.code}\n{done.err}")
    committed = (folder / "interrupted" / "metrics.csv").read_bytes()
    done = ran("resume", "interrupted", cwd=folder)
    metrics = (folder / "interrupted" / "metrics.csv").read_bytes()
    longer = metrics.startswith(committed) and rows(folder / "interrupted") == rows(folder / "completed")
    yield Trial(
        f"an interrupted run of {version}",
        done.code == 0 and longer,
        f"exit code {done.code}, {rows(folder / 'interrupted')} rows\n{done.err}",
    )
    done = ran("resume", "sweep", cwd=folder)
    ended = [json.loads(path.read_text(encoding="utf-8"))["status"] for path in folder.glob("sweep/*/summary.json")]
    whole = done.code == 0 and ended == ["completed"] * 2
    yield Trial(f"a sweep of {version}", whole, f"exit code {done.code}, runs {ended}\n{done.err}")
