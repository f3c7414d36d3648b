"""`optrun selftest [AREA ...] [--full] [--readme FILE] [--counted FOLDER]`: all areas, several at a time."""

from __future__ import annotations

import importlib
import os
import queue
import re
import shutil
import signal
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.core import device
from runner.core.errors import ConfigError, did_you_mean
from runner.selftest import report
from runner.selftest.base import Area, Effort, NotHeld, Trial
from runner.selftest.report import Standing

HERE = Path(__file__).parent
TICK_S = 0.25  # between two looks at the clock, for the seconds in the table
FLAGS = ("--full", "--readme", "--counted")


@dataclass(frozen=True)
class Wanted:
    """What the command line asks for.

    readme   a page whose table is to be written
    counted  a folder with what the tests of the repository counted, and what came of areas that were tried before
    """

    areas: tuple[str, ...]
    effort: Effort = "short"
    readme: Path | None = None
    counted: Path | None = None


def areas() -> dict[str, type[Area]]:
    """Every area by its name: a file beside this one with a class that is an `Area`."""
    found = {}
    for path in sorted(HERE.glob("*.py")):
        if (written := re.search(r"^class (\w+)\(Area\):", path.read_text(encoding="utf-8"), re.MULTILINE)) is not None:
            found[path.stem] = getattr(importlib.import_module(f"runner.selftest.{path.stem}"), written[1])
    return found


def wanted(arguments: Sequence[str]) -> Wanted:
    """The arguments of the command, checked."""
    known, names, values = list(areas()), list[str](), dict[str, Path]()
    words = iter(arguments)
    for word in words:
        if word in ("--readme", "--counted"):
            values[word] = existing(word, next(words, ""))
        elif word in known:
            names.append(word)
        elif word != "--full":
            raise ConfigError(
                "",
                f"selftest {word}",
                allowed=f"areas ({', '.join(known)}) and {', '.join(FLAGS)}",
                do=f"{did_you_mean(word, [*known, *FLAGS])}`optrun selftest` tries all areas in short",
            )
    full = "--full" in arguments
    if "--readme" in values and (not full or (names and "--counted" not in values)):
        raise ConfigError(
            "--readme",
            values["--readme"],
            allowed="with --full, for all areas or with a folder that has the others: the table is that of all in full",
            do=f"optrun selftest --full --readme {values['--readme']}, or with AREA ... --counted FOLDER",
        )
    if "--readme" in values and not all(m in values["--readme"].read_text(encoding="utf-8") for m in report.MARKS):
        raise ConfigError(
            "--readme",
            values["--readme"],
            allowed=f"a page with {' and '.join(report.MARKS)}",
            do="put both lines where the table is to stand",
        )
    return Wanted(tuple(names or known), "full" if full else "short", values.get("--readme"), values.get("--counted"))


def existing(flag: str, name: str) -> Path:
    """The path that a flag names, which is there."""
    if not name or not Path(name).exists():
        raise ConfigError(flag, name, allowed="a path that exists", do=f"name one, as in {flag} README.md")
    return Path(name)


def asked(arguments: Sequence[str]) -> int:
    """Try what was asked for, show the table; 0 where every trial held, 1 otherwise."""
    want, known = wanted(arguments), areas()
    scratch = Path(tempfile.mkdtemp(prefix="optrun-selftest-"))
    os.environ["XDG_CACHE_HOME"] = str(scratch / "cache")  # what sweeps measure here is not to be remembered
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        standings = [Standing(name, known[name], scratch / name) for name in want.areas]
        begun = time.monotonic()
        with report.Shown(standings) as shown:
            for _ in events(standings, want):
                shown.draw()
        seconds = time.monotonic() - begun
    except BaseException:  # Ctrl-C, or nobody to whom it could be told
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    report.conclude(standings, seconds)
    if want.readme:
        records = report.remembered(want.counted) | {each.name: report.record(each) for each in standings}
        table = report.markdown(known, records, report.counted(want.counted))
        page = want.readme.read_text(encoding="utf-8")
        want.readme.write_text(report.written(page, table), encoding="utf-8")
    if all(standing.held for standing in standings):
        shutil.rmtree(scratch, ignore_errors=True)
        return 0
    return 1


def events(standings: Sequence[Standing], want: Wanted) -> Iterator[None]:
    """Try the areas, as many at a time as there are processors; comes whenever something may have changed."""
    waiting: queue.SimpleQueue[Standing] = queue.SimpleQueue()
    for standing in standings:
        waiting.put(standing)
    crew = [threading.Thread(target=work, args=(waiting, want), daemon=True) for _ in range(device.cores())]
    for worker in crew:
        worker.start()
    for worker in crew:
        working = True
        while working:
            worker.join(TICK_S)
            working = worker.is_alive()
            yield


def work(waiting: queue.SimpleQueue[Standing], want: Wanted) -> None:
    """Try one area after the other, until none is waiting."""
    while True:
        try:
            standing = waiting.get_nowait()
        except queue.Empty:
            return
        attempt(standing, want.effort, want.counted)


def attempt(standing: Standing, effort: Effort, counted: Path | None = None) -> None:
    """Try one area; its folder stays where a trial did not hold. What came of it in full goes to `counted`, too."""
    standing.begun = time.monotonic()
    standing.folder.mkdir(parents=True)
    try:
        for trial in standing.area().trials(standing.folder, effort):
            standing.add(trial)
        if not standing.trials:
            raise NotHeld("nothing was tried")
    except NotHeld as error:
        standing.add(Trial("what was tried last", held=False, seen=str(error)))
    except Exception:
        standing.add(Trial("the self-test itself", held=False, seen=traceback.format_exc()))
    standing.seconds = time.monotonic() - standing.begun
    standing.ended = True
    if standing.held:
        shutil.rmtree(standing.folder, ignore_errors=True)
    else:
        report.keep(standing)
    if counted and effort == "full":
        report.remember(counted, standing)
