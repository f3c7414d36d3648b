"""SIGKILL at any moment and at every call that changes a file, then `optrun resume`."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, final

from runner.selftest.base import Area, Effort, Trial
from runner.selftest.nursery import Order, nursery
from runner.selftest.program import CONFIGURATIONS, SMALL, differing, remains, rows

KILLED = -9
EPOCHS = 60
WAYS = ("before", "torn", "after")  # the call, half of it, or all of it was done
# An optimizer that keeps something of its own between two steps belongs here. K-FAC takes no batch norm, L-BFGS, whose
# step is an epoch, no dropout.
SCHEDULED = CONFIGURATIONS | {
    "adam with plateau": ("optimizer=adam", "lr=0.01", "schedule=plateau", *SMALL),
    "momentum with early stopping": ("optimizer=momentum", "lr=0.01", SMALL[0], "stop=early_stopping"),
    "kfac with dropout": ("optimizer=kfac", "architecture.dropout=0.2", "schedule=plateau", *SMALL),
    "lbfgs with batch norm": ("optimizer=lbfgs", "architecture/normalization=batch", "schedule=cyclic", *SMALL),
}
# Of which every call is tried; of the others every seventh, so that each of the three ways of dying takes its turn.
AT_CALLS = ("adam with dropout", "schedule-free with batch norm", "kfac with dropout", "lbfgs with batch norm")
SEVENTH = 7
SWEEP = ("-m", "lr=0.1,0.03,0.01,0.003", *SMALL, "epochs=20", "workers=2", "lanes=2")


def go_on(folder: Path, arguments: tuple[str, ...]) -> list[str | Path]:
    """What a user types after a kill: resume what is there, start again where nothing is."""
    return ["resume", folder] if folder.exists() else [*arguments, f"hydra.run.dir={folder.name}"]


def compared(what: str, whole: dict[str, Any], folder: Path, answer: dict[str, Any]) -> Trial:
    """Whether a run that was resumed to its end is the one that was never killed."""
    if answer["code"] != 0:
        return Trial(what, held=False, seen=f"resume ended with {answer['code']}: {answer['said']}")
    found = differing(whole, remains(folder))
    return Trial(what, held=not found, seen=f"other {', '.join(found)}")


@final
class Kill(Area):
    """Runs and sweeps, killed and taken up again, against those that nobody disturbed."""

    name = "kill"
    promise = (
        "after SIGKILL at any instant `resume` gives the same metrics.csv to the byte, the same weights to the bit"
    )

    def trials(self, folder: Path, effort: Effort) -> Iterator[Trial]:
        full = effort == "full"
        with nursery() as order:
            for name in SCHEDULED if full else AT_CALLS[1:]:
                yield from self.at_calls(order, name, folder, (1 if name in AT_CALLS else SEVENTH) if full else 61)
            moments = 2000 if full else 8
            names = list(SCHEDULED) if full else ["momentum with dropout", "adam with plateau"]
            for number, name in enumerate(names):
                count = len(range(number, moments, len(names)))
                yield from self.at_moments(order, name, folder, count)
            yield from self.sweeps(order, folder, 60 if full else 1)

    def at_calls(self, order: Order, name: str, folder: Path, step: int) -> Iterator[Trial]:
        """Killed at its system calls, and every third time once more while it is resumed."""
        arguments = (*SCHEDULED[name], "epochs=4")
        complete = order(*arguments, "hydra.run.dir=whole", cwd=folder)
        whole, cut = remains(folder / "whole"), folder / "cut"
        for at in range(1, complete["calls"] + 1, step):
            how = WAYS[at % 3]
            order(*arguments, "hydra.run.dir=cut", cwd=folder, at=at, how=how)
            if at // 3 % 3 == 0:
                order(*go_on(cut, arguments), cwd=folder, at=3 + at % 11, how=how)
            answer = order(*go_on(cut, arguments), cwd=folder)
            yield compared(f"SIGKILL {how} {complete['names'][at - 1]} {at}, {name}", whole, cut, answer)
            shutil.rmtree(cut, ignore_errors=True)
        shutil.rmtree(folder / "whole")

    def at_moments(self, order: Order, name: str, folder: Path, count: int) -> Iterator[Trial]:
        """Killed at random moments, again and again until it ends; compared whenever it does."""
        arguments = (*SCHEDULED[name], f"epochs={EPOCHS}")
        begun = time.monotonic()
        order(*arguments, "hydra.run.dir=whole", cwd=folder, after_s=60)
        duration = time.monotonic() - begun
        whole, cut = remains(folder / "whole"), folder / "cut"
        moments, told = random.Random(name), list[str]()
        for number in range(count):
            seconds = duration * moments.uniform(0.1, 0.7)
            order(*go_on(cut, arguments), cwd=folder, after_s=seconds)
            told.append(f"SIGKILL after {seconds:.3f} s, {name}")
            if rows(cut) == rows(folder / "whole") or number == count - 1:
                answer = order(*go_on(cut, arguments), cwd=folder, after_s=60)
                yield from (compared(what, whole, cut, answer) for what in told)
                told.clear()
                shutil.rmtree(cut, ignore_errors=True)
        shutil.rmtree(folder / "whole")

    def sweeps(self, order: Order, folder: Path, count: int) -> Iterator[Trial]:
        """A sweep whose runs train side by side on two workers."""
        begun = time.monotonic()
        order(*SWEEP, "hydra.sweep.dir=whole", cwd=folder, after_s=60)
        duration = time.monotonic() - begun
        moments = random.Random("sweeps")
        for _ in range(count):
            seconds = duration * moments.uniform(0.1, 0.9)
            order(*SWEEP, "hydra.sweep.dir=cut", cwd=folder, after_s=seconds)
            there = (folder / "cut" / "sweep.json").exists()
            if not there:
                shutil.rmtree(folder / "cut", ignore_errors=True)
            again = ["resume", "cut", "workers=2"] if there else [*SWEEP, "hydra.sweep.dir=cut"]
            answer = order(*again, cwd=folder, after_s=60)
            parts = [
                compared(f"SIGKILL after {seconds:.3f} s, sweep", remains(run), folder / "cut" / run.name, answer)
                for run in sorted((folder / "whole").glob("?"))
            ]
            yield next((part for part in parts if not part.held), parts[0])
            shutil.rmtree(folder / "cut")
