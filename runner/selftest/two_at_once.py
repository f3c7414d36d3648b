"""Two to sixteen processes that want the same folder in the same instant."""

from __future__ import annotations

import csv
import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, final

from runner.selftest.base import Area, Effort, Trial
from runner.selftest.nursery import Order, nursery
from runner.selftest.program import differing, remains

LOCKED = 5
ENDED = 2  # that a folder holds a run: its owner had ended before this one looked
# Small, since a claim costs 0.1 s of composing its configuration anyway; long enough that most come while it runs.
TINY = ("dataset=iris", "architecture.hidden=[4]", "stop=epochs")
RUN = (*TINY, "epochs=30")
SWEEP = ("-m", "lr=0.1,0.01", *TINY, "epochs=15", "workers=1", "lanes=off")
CLAIMS = {"short": (20, 9, 9), "full": (5_000, 1_000, 4_000)}  # of a new run, a new sweep, a run that was killed
KILLED_AT = range(20, 270, 17)  # calls of the run that is then resumed: its folder appears with the 19th of 303
LARGEST = 16


@final
class TwoAtOnce(Area):
    """Crowds of processes; every process is a trial, so that they add up to claims."""

    name = "two_at_once"
    promise = "of many processes at one folder one owns it, the others exit 5, and nothing is mixed or done twice"
    note = "a lock is only as good as the file system: on a network disk without flock two machines are not kept apart"

    def trials(self, folder: Path, effort: Effort) -> Iterator[Trial]:
        kinds = (self.run, self.sweep, self.resumed)
        with nursery() as order:
            order(*RUN, "hydra.run.dir=whole", cwd=folder)
            order(*SWEEP, "hydra.sweep.dir=whole-sweep", cwd=folder)
            for at in KILLED_AT:
                order(*RUN, f"hydra.run.dir=killed-{at}", cwd=folder, at=at)
            for kind, claims in zip(kinds, CLAIMS[effort], strict=True):
                yield from self.crowds(order, folder, claims, kind)

    def crowds(self, order: Order, folder: Path, claims: int, kind: Any) -> Iterator[Trial]:
        """So many claims, by crowds of two, three, ... sixteen."""
        sizes = itertools.cycle(range(2, LARGEST + 1))
        while claims > 0:
            crowd = min(next(sizes), max(2, claims))
            what, seen = kind(order, folder, crowd)
            yield from (Trial(f"{what}, process {each} of {crowd}", not seen, seen) for each in range(crowd))
            claims -= crowd

    def run(self, order: Order, folder: Path, crowd: int) -> tuple[str, str]:
        """A new run: one trains it, and it is the run that nobody else wanted."""
        answer = order(*RUN, "hydra.run.dir=run", cwd=folder, crowd=crowd)
        seen = owners(answer["codes"])
        if not seen and (found := differing(remains(folder / "whole"), remains(folder / "run"))):
            seen = f"other {', '.join(found)}"
        if not seen:
            shutil.rmtree(folder / "run")
        return "a new run", seen

    def resumed(self, order: Order, folder: Path, crowd: int) -> tuple[str, str]:
        """A run that was killed: one goes on with it; who comes when it has ended finds nothing to do."""
        at = KILLED_AT[crowd % len(KILLED_AT)]
        shutil.copytree(folder / f"killed-{at}", folder / "run")
        answer = order("resume", "run", cwd=folder, crowd=crowd)
        seen = "" if 0 in answer["codes"] and set(answer["codes"]) <= {0, LOCKED} else f"codes {answer['codes']}"
        if not seen and (found := differing(remains(folder / "whole"), remains(folder / "run"))):
            seen = f"other {', '.join(found)}"
        if not seen:
            shutil.rmtree(folder / "run")
        return "resume of a run", seen

    def sweep(self, order: Order, folder: Path, crowd: int) -> tuple[str, str]:
        """A new sweep: one trains its jobs, each once."""
        answer = order(*SWEEP, "hydra.sweep.dir=sweep", cwd=folder, crowd=crowd)
        seen = owners(answer["codes"])
        with open(folder / "sweep" / "sweep.csv", newline="") as file:
            jobs = [row["job"] for row in csv.DictReader(file)]
        if jobs != ["0", "1"]:
            seen = seen or f"jobs {jobs}"
        for job in jobs:
            mine, other = (folder / name / job / "metrics.csv" for name in ("sweep", "whole-sweep"))
            if mine.read_bytes() != other.read_bytes():
                seen = seen or f"other metrics.csv of job {job}"
        if not seen:
            shutil.rmtree(folder / "sweep")
        return "a new sweep", seen


def owners(codes: list[int]) -> str:
    """What is wrong with the exit codes of a crowd; nothing where one owned the folder."""
    right = codes.count(0) == 1 and set(codes) <= {0, LOCKED, ENDED}
    return "" if right else f"exit codes {codes}"
