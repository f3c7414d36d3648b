"""NaN and infinity in data, loss, gradient, parameters and validation, alone and in the company of good runs."""

from __future__ import annotations

import csv
import json
import math
import shutil
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, final

from runner.selftest.base import Area, Effort, Trial
from runner.selftest.nursery import Order, nursery
from runner.selftest.program import SMALL
from runner.store import checkpoint

DIVERGED = 3
POISON = "runner.selftest.inside.poison"
OWN = ("plugins=[runner.selftest.inside]", *SMALL, "epochs=3")  # of 13 steps each
SPOILT = (f"loss._target_={POISON}.Spoilt", "~loss.label_smoothing", "~loss.eps_deck", *OWN)
PLACES = ("data", "loss", "gradient", "validation")
BADS = ("no_number", "infinity", "minus_infinity")
STEPS = (0, 7, 38)  # the first one, in the middle of an epoch, the last one
WAYS = (("workers=1", "lanes=off"), ("workers=1", "lanes=4"), ("workers=2", "lanes=2"))
COLUMNS = {"data": "train_loss", "loss": "train_loss", "gradient": "grad_norm", "validation": "val_loss"}
NEVER = ("1e9", "2e9", "3e9", "4e9")  # steps that no run comes to
STEPS_OF_SIX = (NEVER[0], "20", NEVER[1], "37", *NEVER[2:])


@final
class Divergence(Area):
    """What a run that diverged leaves, and what becomes of its neighbours."""

    name = "divergence"
    promise = "stopped before the update with finite parameters, the row and the sentence written; a sweep goes on"

    def trials(self, folder: Path, effort: Effort) -> Iterator[Trial]:
        full = effort == "full"
        with nursery() as order:
            steps = STEPS if full else STEPS[1:2]
            for place, bad, at in product(PLACES, BADS if full else BADS[:1], steps):
                arguments = (*SPOILT, f"loss.place={place}", f"loss.bad={bad}", f"loss.at={at}")
                yield self.alone(order, folder, f"{bad} in {place}, step {at}", arguments, at, COLUMNS[place])
            for bad, at in product(BADS if full else BADS[1:2], steps):
                rule = (f"optimizer._target_={POISON}.SpoilsOne", "optimizer=sgd", "lr=0.01", *OWN)
                spoilt = (*rule, f"+optimizer.bad={bad}", f"+optimizer.at={at}")
                yield self.alone(order, folder, f"{bad} in one parameter, step {at}", spoilt, at, "")
            for place, ways in product(PLACES if full else PLACES[2:3], WAYS):
                yield self.in_a_sweep(order, folder, place, ways)

    def alone(self, order: Order, folder: Path, what: str, arguments: tuple[str, ...], at: int, column: str) -> Trial:
        """One run; `column` is the first that is no number, "" where the parameters are spoilt by an update."""
        answer = order(*arguments, "hydra.run.dir=run", cwd=folder)
        if answer["code"] != DIVERGED:
            return Trial(what, held=False, seen=f"exit code {answer['code']}: {answer['said']}")
        seen = "; ".join(said(folder / "run", at, column))
        if not seen:
            shutil.rmtree(folder / "run")
        return Trial(what, held=not seen, seen=seen)

    def in_a_sweep(self, order: Order, folder: Path, place: str, ways: tuple[str, ...]) -> Trial:
        """Six runs, two of which are spoilt: the sweep goes on, and the others complete."""
        what = f"no number in {place} of 2 of 6 runs, {' '.join(ways)}"
        arguments = ("-m", *SPOILT, f"loss.place={place}", f"loss.at={','.join(STEPS_OF_SIX)}", *ways)
        answer = order(*arguments, "hydra.sweep.dir=sweep", cwd=folder)
        if answer["code"] != 0:
            return Trial(what, held=False, seen=f"exit code {answer['code']}: {answer['said']}")
        wrong = []
        for job, at in enumerate(STEPS_OF_SIX):
            run = folder / "sweep" / str(job)
            if at in NEVER:
                status = summary(run)["status"]
                wrong += [] if status == "completed" else [f"job {job} is {status}"]
            else:
                wrong += said(run, int(at), COLUMNS[place])
        shutil.rmtree(folder / "sweep")
        return Trial(what, held=not wrong, seen="; ".join(wrong))


def said(run: Path, at: int, column: str) -> list[str]:
    """What is wrong with the folder of a run that was spoilt in step `at`."""
    wrong = []
    told = summary(run)
    with open(run / "metrics.csv", newline="") as file:
        last = list(csv.DictReader(file))[-1]
    bad = [name for name in ("train_loss", "grad_norm", "val_loss") if not math.isfinite(float(last[name]))]
    where = f"in epoch {last['epoch']}, after step {last['step']}"
    if told["status"] != "diverged" or where not in told["verdict"]:
        wrong.append(f"the summary says {told['status']}: {told['verdict']}")
    if not bad or (column and column not in bad):
        wrong.append(f"the last row has no bad {column or 'number'}")
    found = checkpoint.newest(run / "checkpoint")
    if found is None:
        # Only an update can leave parameters that cannot be kept, and then there may have been no commit before it.
        return wrong if not column else [*wrong, "no checkpoint"]
    content = found[0]["content"]
    if not (content["theta"].isfinite().all() and content["best_theta"].isfinite().all()):
        wrong.append("the parameters in the checkpoint are not finite")
    before_update = column in ("train_loss", "grad_norm")
    if before_update and not content["step"] == int(last["step"]) == at:
        wrong.append(f"step {at} was made: the checkpoint is that of {content['step']}, the row of {last['step']}")
    return wrong


def summary(run: Path) -> dict[str, Any]:
    """What became of a run."""
    return dict(json.loads((run / "summary.json").read_text()))
