"""What the doctor says: the findings of a case in lines, each with the command to try next."""

from __future__ import annotations

from collections.abc import Iterator

from runner.doctor.base import FEWEST, Case, command, number
from runner.doctor.oscillating import Oscillating, swings
from runner.doctor.rules import findings

NO_BETTER = 0.9  # of what a constant answer loses: all that was learned is less than a tenth of it


def told(case: Case, given: str) -> Iterator[str]:
    """Everything that is seen of a run that was looked at, the first to try first; `given`: the command of the run."""
    found = findings(case)
    for place, each in enumerate(found, 1):
        yield f"{place}. {each.name}"
        yield f"   seen:   {each.seen}"
        yield f"   source: {each.source}"
        yield f"   try:    {command(given, each.change)}"
    if not found:
        yield "nothing wrong seen; that is no proof: curves can reveal problems, they cannot guarantee convergence"
    for line in unknown(case):
        yield f"not known: {line}"


def unknown(case: Case) -> Iterator[str]:
    """What could not be looked at, and what would tell."""
    if len(case.rows) < FEWEST:
        yield f"how the curves go, of which there are {len(case.rows)} epochs; {FEWEST} or more would tell"
    if case.measured is None:
        return
    if case.last is None:
        yield "what the last parameters look like: there is no commit at which the network is finite"
    if len(case.measured.first.backward) < 2:
        yield "how gradients change from layer to layer, where the layers are no affine maps: probe=layers tells"
    if not case.chance > 0:
        yield f"how far the loss could fall: what a constant answer loses is not known for loss={case.run.loss.name}"
    if swings(case) and case.run.optimizer.stable_below(case.rows[-1]["lr"]) is None and not Oscillating().look(case):
        yield "whether the loss swings by the rate or, so slowly, by momentum: a third of the rate would tell"


def short(case: Case, given: str, folder: str) -> Iterator[str]:
    """At most two lines at the end of a run, from its rows alone; none where they show nothing."""
    found = findings(case)
    if found:
        yield f"{found[0].name}: {found[0].seen}"
        yield f"try {command(given, found[0].change)}; optrun doctor {folder} looks closer"
    elif case.long_enough and min(case.val) > NO_BETTER * case.chance:
        yield (
            f"the validation loss came to {number(min(case.val))} at best, where a constant answer has "
            f"{number(case.chance)}; optrun doctor {folder} looks for the cause"
        )
