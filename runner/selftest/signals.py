"""Signals at random moments of runs and sweeps, and memory that is not there."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGTERM, SIGUSR1
from typing import Any, final

from runner.selftest.base import Area, Effort, Trial
from runner.selftest.divergence import NEVER, SPOILT, summary
from runner.selftest.kill import compared, go_on
from runner.selftest.nursery import Order, nursery
from runner.selftest.program import SMALL, remains

PATIENCE_S = 5.0
OUT_OF_MEMORY = 7
RUN = ("optimizer=adam", "architecture.dropout=0.2", *SMALL, "epochs=40")
SWEEP = ("-m", "lr=0.1,0.03,0.01,0.003", *SMALL, "epochs=30")
WAYS = (("workers=1", "lanes=off"), ("workers=2", "lanes=2"))
SENT = ([SIGINT], [SIGTERM], [SIGHUP], [SIGUSR1], [SIGINT, SIGINT])
SIX = (NEVER[0], "7", *NEVER[1:])


@final
class Signals(Area):
    """A run is sent signals where it trains, commits and draws; a sweep in between; both are resumed."""

    name = "signals"
    promise = "a signal ends a run or sweep within 5 s with 128 + its number, to be resumed; out of memory with 7"
    note = "memory of a GPU that is not there is simulated; a system that ends a process for want of memory is a kill"

    def trials(self, folder: Path, effort: Effort) -> Iterator[Trial]:
        full = effort == "full"
        with nursery() as order:
            yield from self.in_runs(order, folder, 50 if full else 2)
            for ways in WAYS if full else WAYS[1:]:
                yield from self.in_sweeps(order, folder, ways, 25 if full else 1)
            for place in ("cpu", "gpu"):
                yield self.memory(order, folder, place)
                for ways in (*WAYS, ("workers=1", "lanes=5")) if full else WAYS[1:]:
                    yield self.memory_of_one(order, folder, place, ways)

    def in_runs(self, order: Order, folder: Path, count: int) -> Iterator[Trial]:
        """At moments from the first import to the last picture."""
        begun = time.monotonic()
        order(*RUN, "hydra.run.dir=whole", cwd=folder, after_s=60, draws=True)
        duration = time.monotonic() - begun
        whole, cut, moments = remains(folder / "whole"), folder / "cut", random.Random("runs")
        for numbers in SENT if count > 2 else SENT[:1] + SENT[3:]:
            for _ in range(count):
                after_s = duration * moments.uniform(0.05, 1.0)
                arguments = [*RUN, "hydra.run.dir=cut"]
                answer = order(*arguments, cwd=folder, after_s=after_s, draws=True, signals=[*numbers])
                again = order(*go_on(cut, RUN), cwd=folder, after_s=60)
                yield judged(
                    f"{named(numbers)} after {after_s:.3f} s", numbers, answer, compared("", whole, cut, again)
                )
                shutil.rmtree(cut, ignore_errors=True)

    def in_sweeps(self, order: Order, folder: Path, ways: tuple[str, ...], count: int) -> Iterator[Trial]:
        """The same for a sweep, of which every run is compared."""
        begun = time.monotonic()
        order(*SWEEP, *ways, "hydra.sweep.dir=whole-sweep", cwd=folder, after_s=60)
        duration = time.monotonic() - begun
        moments = random.Random("sweeps")
        for numbers in SENT if count > 1 else SENT[:1]:
            for _ in range(count):
                after_s = duration * moments.uniform(0.3, 1.0)
                arguments = [*SWEEP, *ways, "hydra.sweep.dir=sweep"]
                answer = order(*arguments, cwd=folder, after_s=after_s, signals=[*numbers])
                there = (folder / "sweep" / "sweep.json").exists()
                if not there:
                    shutil.rmtree(folder / "sweep", ignore_errors=True)
                again = order(*(["resume", "sweep", ways[0]] if there else arguments), cwd=folder, after_s=60)
                parts = [
                    compared("", remains(run), folder / "sweep" / run.name, again)
                    for run in sorted((folder / "whole-sweep").glob("?"))
                ]
                worst = next((part for part in parts if not part.held), parts[0])
                what = f"{named(numbers)} after {after_s:.3f} s, sweep, {' '.join(ways)}"
                yield judged(what, numbers, answer, worst)
                shutil.rmtree(folder / "sweep", ignore_errors=True)
        shutil.rmtree(folder / "whole-sweep")

    def memory(self, order: Order, folder: Path, place: str) -> Trial:
        """A run whose eighth step finds no memory."""
        answer = order(*SPOILT, f"loss.place={place}", "loss.at=7", "hydra.run.dir=run", cwd=folder)
        told = summary(folder / "run")
        held = answer["code"] == OUT_OF_MEMORY and told["status"] == "failed" and "out of memory" in told["verdict"]
        shutil.rmtree(folder / "run")
        return Trial(f"no memory on the {place}", held, f"exit code {answer['code']}, {told}: {answer['said']}")

    def memory_of_one(self, order: Order, folder: Path, place: str, ways: tuple[str, ...]) -> Trial:
        """A sweep of which one run finds no memory: it alone fails."""
        arguments = ("-m", *SPOILT, f"loss.place={place}", f"loss.at={','.join(SIX)}", *ways)
        answer = order(*arguments, "hydra.sweep.dir=sweep", cwd=folder)
        statuses = [summary(folder / "sweep" / str(job))["status"] for job in range(len(SIX))]
        expected = ["completed", "failed", "completed", "completed", "completed"]
        held = answer["code"] == OUT_OF_MEMORY and statuses == expected
        shutil.rmtree(folder / "sweep")
        what = f"no memory on the {place} for 1 run of a sweep, {' '.join(ways)}"
        return Trial(what, held, f"exit code {answer['code']}, {statuses}: {answer['said']}")


def named(numbers: list[Any]) -> str:
    """The signals by their names."""
    return " and ".join(number.name for number in numbers)


def judged(what: str, numbers: list[Any], answer: dict[str, Any], resumed: Trial) -> Trial:
    """The trial of a signal: how the program ended, how soon, and what it is when it was resumed."""
    allowed = {0, 128 + numbers[0], -numbers[0]}  # 0: it had ended; minus: for the shell that is 128 + the number, too
    seconds = answer["seconds"]
    wrong = [] if answer["code"] in allowed else [f"exit code {answer['code']}: {answer['said']}"]
    wrong += [] if seconds <= PATIENCE_S else [f"it took {seconds:.1f} s"]
    wrong += [] if resumed.held else [resumed.seen]
    return Trial(what, held=not wrong, seen="; ".join(wrong), seconds=seconds)
