"""Whether `optrun doctor` names the faults of runs that were made to have them: `make doctor-truth`.

Runs with each fault, twelve and more, and healthy ones, of tests/doctor/judged.py: each is trained and looked at again
from its folder. Where a fault is a matter of degree, a run counts that its cure makes better, and a healthy one that
four times the epochs do not (tests/doctor/cures.py). Counted is how often the fault is named first, and at all; of
healthy runs, how often anything is named, from the folder and by the lines at the end of the run. The thresholds were
chosen on other data sets, or other examples, and other seeds (--lot shows those). With --readme README.md the table is
written there.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from runner.doctor.rules import RULES
from runner.doctor.told import short
from tests.bench import readme
from tests.doctor import judged, planted, seen, seen_again
from tests.doctor.cures import has_the_fault, is_healthy
from tests.doctor.planted import Words
from tests.doctor.trained import idle_advice, looked_at, named

HEALTHY = "healthy"
MODULES = {"seen": seen, "seen_again": seen_again, "judged": judged}


@dataclass(frozen=True)
class Told:
    """What was said of a run: the rules that saw something, the lines at its end; `counts`: whether it has the fault,
    or is healthy; `idle`: the findings that advise what the run has already."""

    fault: str
    words: Words
    found: list[str]
    remarks: list[str]
    counts: bool
    idle: list[str]


def told(fault: str, words: Words) -> Told:
    """Train one run, look at it, forget it."""
    with tempfile.TemporaryDirectory() as folder:
        case = looked_at(words, Path(folder) / "run")
        twin = Path(folder) / "cured"
        counts = is_healthy(words, case, twin) if fault == HEALTHY else has_the_fault(fault, words, case, twin)
        remarks = list(short(replace(case, measured=None), "optrun", ""))
        idle = idle_advice(case, words)
    return Told(fault, words, named(case), remarks, counts, idle)


def runs_of(lot: str) -> dict[str, list[Words]]:
    """Name of the rule, or of none -> the runs of a lot."""
    if lot in planted.LOTS:
        return planted.faults(lot) | {HEALTHY: planted.healthy(lot)}
    of = MODULES[lot]
    return of.faults() | {HEALTHY: of.healthy()}


def census(lot: str) -> Iterator[Told]:
    """Every run of a lot, as many at a time as there are processors."""
    runs = [(fault, words) for fault, of in runs_of(lot).items() for words in of]
    # processes of their own start: one that is forked from a program with threads may hang
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(told, *zip(*runs, strict=True))


def table(everything: list[Told]) -> Iterator[str]:
    """The lines of the table, in Markdown, and what they come to."""
    by_fault: dict[str, list[Told]] = defaultdict(list)
    for each in everything:
        by_fault[each.fault].append(each)
    well = [each for each in by_fault.pop(HEALTHY) if each.counts]
    yield "| planted | runs | named first | named at all | instead, or nothing |"
    yield "|---|---:|---:|---:|---|"
    titles = {type(rule).__name__: rule.name for rule in RULES}
    for fault in titles:
        of = [each for each in by_fault[fault] if each.counts]
        first = sum(each.found[:1] == [fault] for each in of)
        at_all = sum(fault in each.found for each in of)
        instead = [titles[each.found[0]] if each.found else "nothing" for each in of if each.found[:1] != [fault]]
        counted = ", ".join(f"{name} ({instead.count(name)})" for name in sorted(set(instead)))
        yield f"| {titles[fault]} | {len(of)} | {first} | {at_all} | {counted} |"
    yield ""
    spared = sum(not each.counts for each in everything if each.fault != HEALTHY)
    cut_off = sum(not each.counts for each in everything if each.fault == HEALTHY)
    yield (
        f"{spared} more runs were not counted, which do not have the fault, since the cure made them hardly better; "
        f"{cut_off} healthy ones, which more epochs made much better"
    )
    yield ""
    alarms = [each for each in well if each.found]
    said = sum(bool(each.remarks) for each in well)
    which = f" ({', '.join(titles[each.found[0]] for each in alarms)})" if alarms else ""
    idle = sum(bool(each.idle) for each in everything)
    yield f"{idle} of {len(everything)} runs were advised what they have already"
    yield ""
    yield f"{len(well)} healthy runs: {len(alarms)} with a false alarm{which}, {said} with one in their last lines"


def main() -> None:
    parser = argparse.ArgumentParser(prog="make doctor-truth", description=(__doc__ or "").strip())
    parser.add_argument("--readme", type=Path, help="a file to write the table into, between its marks")
    parser.add_argument(
        "--lot", choices=(*planted.LOTS, "seen", "seen_again", "judged"), default="judged", help="which runs"
    )
    given = parser.parse_args()
    everything = []
    for each in census(given.lot):
        everything.append(each)
        right = not each.found if each.fault == HEALTHY else each.found[:1] == [each.fault]
        if not right and each.counts:
            print(f"{each.fault} was told as {each.found}: optrun {' '.join(each.words)}", flush=True)
    lines = list(table(everything))
    print("\n".join(lines))
    if given.readme:
        readme.write(given.readme, "doctor-truth", lines)


if __name__ == "__main__":
    main()
