"""One run from its configuration to its pictures: prepare, claim a folder, train, report.

Whatever ends the run, its folder says so: completed, diverged, interrupted or failed, with the sentence.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from runner import build, lanes
from runner.core.errors import (
    ConfigError,
    CorruptError,
    Diverged,
    ExpectationMissed,
    Interrupted,
    LockedError,
    OptrunError,
    OutOfMemory,
)
from runner.core.processes import Processes
from runner.doctor.base import Case
from runner.doctor.chance import chance
from runner.doctor.told import short
from runner.provenance import header, manifest, versions
from runner.recorder.base import About, one_line, settings
from runner.recording import Recording
from runner.run import Examples, Material, Run, prepare, read
from runner.screen.base import Screen, shortest
from runner.store import arrays
from runner.store.base import Folder, Row
from runner.store.folder import (
    ENDED,
    RunFolder,
    read_config,
    read_manifest,
    read_rows,
    read_status,
    refuse_taken,
    verified,
    whole,
)
from runner.store.form import Each, Maybe, refuse_other_form
from runner.train import Ending, columns, train

# What torch and numpy say of a size that no memory has, or that their own counters do not hold.
TOO_LARGE = (
    *("allocate memory", "out of memory", "Storage size calculation overflowed", "Overflow when unpacking long"),
    *("array is too big", "Maximum allowed size exceeded", "Maximum allowed dimension exceeded"),
)

# What must stand in the manifest of a run that is taken up, beside what every reader of it needs.
NEEDED = {"data_sha256": str, "start_sha256": str, "versions": Each(Maybe(str))}


@dataclass(frozen=True)
class Result:
    """What became of a run: the content of its summary, where it lies, and the exit code."""

    path: Path
    summary: dict[str, Any]
    exit_code: int


@dataclass(frozen=True)
class Opened:
    """A run whose folder is open, before its training.

    together  whether it goes through the program of runs side by side, as the manifest says for good, since alone it
              would go through other kernels, which round differently
    """

    run: Run
    m: Material
    folder: RunFolder
    together: bool


def start(
    run: Run,
    path: Path,
    command: str,
    screen: Screen,
    pictures: bool = True,
    examples_of: Callable[[Run], Examples] = read,
) -> Result:
    """Train a new run in a new folder."""
    opened = begun(run, path, command, examples_of)
    with opened.folder:
        return work(opened, screen, pictures)


def begun(
    run: Run, path: Path, command: str, examples_of: Callable[[Run], Examples] = read, together: bool = False
) -> Opened:
    """A new run in a new folder."""
    refuse_taken(whole(path))
    return claimed(*prepared(run, examples_of), path, command, together)


def prepared(
    run: Run, examples_of: Callable[[Run], Examples] = read, processes: Processes | None = None
) -> tuple[Run, Material]:
    """A run with what it works on."""
    with memory_errors():
        m = prepare(run, examples_of, processes)
    return settled(run, m), m


def claimed(run: Run, m: Material, path: Path, command: str, together: bool) -> Opened:
    """A run that was prepared, in a new folder."""
    run.recorder.ready()
    files = {"preprocess.npz": arrays.packed(m.statistics)}
    about = manifest(run, m, command) | {"side_by_side": together}
    if run.recorder.parts:
        about |= {"id": os.urandom(8).hex()}
    return Opened(run, m, RunFolder.claim(path, build.to_yaml(run), about, columns(run, m), files), together)


def resume(
    path: Path,
    plugins: tuple[str, ...],
    screen: Screen,
    pictures: bool = True,
    examples_of: Callable[[Run], Examples] = read,
) -> Result:
    """Go on with a run that was interrupted, where its last commit left it; a run that has ended is only reported."""
    read_manifest(path)
    status = read_status(path)
    if "sha256" not in status:
        screen.notice(f"{path / 'summary.json'} was written before it had a hash: damage to it would not be seen")
    if status["status"] in ENDED:
        verified(path)
        screen.notice(f"{path} is {status['status']}: {status['verdict']}; there is nothing to resume")
        if pictures and not all((path / name).exists() for name in ("curves.png", "curves.svg")):
            pictured(path, screen)  # it was killed while it drew
        return Result(path, status, exit_code(status))
    opened = taken_up(path, plugins, screen, examples_of)
    with opened.folder:
        return work(opened, screen, pictures)


def taken_up(
    path: Path,
    plugins: tuple[str, ...],
    screen: Screen,
    examples_of: Callable[[Run], Examples] = read,
    processes: Processes | None = None,
) -> Opened:
    """A run that was interrupted, where its last commit left it.

    Raises `LockedError` for one that another process has ended by the time that this one holds its lock.
    """
    kept = read_manifest(path)
    refuse_other_form(path / "manifest.json", kept, NEEDED)
    refuse_other_number(path, kept.get("processes", 1), processes.size if processes else 1)
    folder = RunFolder.open(path)
    try:
        if (found := read_status(path))["status"] in ENDED:
            raise LockedError(f"{path} has {found['status']} in another process meanwhile: {found['verdict']}")
        for notice in folder.notices:
            screen.notice(f"{notice}; the commit before it is used")
        run = build.from_yaml(read_config(path), plugins)
        if not {*folder.columns} <= {*columns(run)}:  # the first run folders have fewer
            raise CorruptError(f"{path / 'manifest.json'} has other columns than this run writes")
        with memory_errors():
            m = prepare(run, examples_of, processes)
        for key, now in (("data_sha256", m.data_sha256), ("start_sha256", m.start_sha256)):
            if kept[key] != now:
                what = "the data" if key == "data_sha256" else "the initial parameters"
                raise CorruptError(f"{path}: {what} are not those that this run was started with ({key} differs)")
        arrays.refuse_others(path / "preprocess.npz", m.statistics)
        for name, version in versions().items():
            if (before := kept["versions"].get(name)) != version:
                screen.notice(f"started with {name} {before}, resumed with {version}: bits may differ")
        folder.conclude({"status": "running"})
    except BaseException:
        folder.__exit__()
        raise
    return Opened(run, m, folder, kept.get("side_by_side", False))


def refuse_other_number(path: Path, before: int, now: int) -> None:
    """Refuse to go on with another number of processes: sums of other parts round in another way."""
    if before != now:
        launcher = "optrun" if before == 1 else f"torchrun --nproc-per-node={before} -m runner"
        raise ConfigError(
            "",
            path,
            allowed=f"as many processes as it was started on, {before} and not {now}: with other parts of a mini-batch "
            "sums round in another way, and a resumed run is one that was never cut off, to the bit",
            do=f"{launcher} resume {path}",
        )


def recorded(run: Run, folder: RunFolder, screen: Screen) -> None:
    """Let the recorders of a run hear of everything that is committed in its folder from now on."""
    if not run.recorder.parts:
        return
    own = read_manifest(folder.path).get("id")
    if not re.fullmatch("[0-9a-f]{16}", str(own)):
        raise CorruptError(f"{folder.path / 'manifest.json'} does not hold what optrun writes there: id is {own}")
    chosen = {name: node for name, node in build.described(run).items() if name != "recorder"}
    about = About(folder.path, str(own), one_line(build.title(run)), settings(chosen), tuple(folder.rows))
    folder.listener = Recording(run.recorder, about, screen.notice)


def work(opened: Opened, screen: Screen, pictures: bool) -> Result:
    """Train in an open folder, then write the summary, judge the expectations and draw the pictures."""
    run, m, folder = opened.run, opened.m, opened.folder
    recorded(run, folder, screen)
    m.settle()
    with screen.training(header(run, m, folder)), failures_noted(folder), memory_errors():
        if opened.together:
            (((_, ending),),) = lanes.train([lanes.Lane.of(run, m, folder, screen)])
        else:
            ending = train(run, m, folder, screen)
    result = finished(run, folder, ending, screen, pictures)
    remark(run, m, folder, ending.status, screen)
    return result


def finished(run: Run, folder: Folder, ending: Ending, screen: Screen, pictures: bool) -> Result:
    """Write what became of a run that was trained."""
    path = folder.path
    summary = summarized(run, ending, folder)
    folder.conclude(summary)
    if pictures:
        pictured(path, screen)
    screen.ended(path, summary)
    return Result(path, summary, exit_code(summary))


def remark(run: Run, m: Material, folder: Folder, status: str, screen: Screen) -> None:
    """Say what the doctor sees of a run that has ended, where there is somebody to read it."""
    for line in remarked(run, m, folder, status) if screen.shows else ():
        screen.say(f"{'doctor:':<12} {line}")


def remarked(run: Run, m: Material, folder: Folder, status: str) -> list[str]:
    """What the doctor sees in the rows alone of a run on data, at most two lines. Costs a pass over the targets."""
    if run.dataset.empty:
        return []
    case = Case(run, folder.rows, status, len(m.train), len(m.validation), chance(run.loss, m.train.y))
    return list(short(case, read_manifest(folder.path)["command"], str(shortest(folder.path))))


def exit_code(summary: dict[str, Any]) -> int:
    """What the shell sees of a run that has ended."""
    if summary["status"] == "diverged":
        return Diverged.exit_code
    missed = any(not each["met"] for each in summary.get("expect", {}).values())
    return ExpectationMissed.exit_code if missed else 0


def pictured(path: Path, screen: Screen) -> None:
    """Draw the pictures of a run; they are derived and can be drawn again, so that failing must not fail the run."""
    try:
        drawn(path)
    except Exception as error:
        screen.notice(f"the pictures were not drawn ({type(error).__name__}: {error}); optrun plot {path}")


def settled(run: Run, m: Material) -> Run:
    """The run with `auto` replaced by what it came to, so that a resumed run does the same elsewhere."""
    return Run(**{name: getattr(run, name) for name in vars(run)} | {"device": str(m.device), "threads": m.threads})


def summarized(run: Run, ending: Ending, folder: Folder) -> dict[str, Any]:
    """The content of summary.json."""
    best: Row | None = folder.rows[ending.best_epoch - 1] if ending.best_epoch else None
    measured = {f"test_{name}": value for name, value in ending.test.items()} | (best or {})
    expect = {}
    for name, bound in run.expect.items():
        largest = run.loss.metrics.get(name.split("_", 1)[1], "min") == "max"
        value = measured.get(name)
        met = value is not None and (value >= bound if largest else value <= bound)
        expect[name] = {"bound": bound, "at": "least" if largest else "most", "measured": value, "met": met}
    return {
        "status": ending.status,
        "verdict": ending.verdict,
        "epochs": len(folder.rows),
        "best_epoch": ending.best_epoch,
        "best": best,
        "final": folder.rows[-1],
        "test": ending.test,
        "test_note": "of the parameters of the best epoch, which the validation loss chose",
        "expect": expect,
        "train_s": round(folder.elapsed_s, 3),
    }


@contextmanager
def failures_noted(folder: Folder) -> Iterator[None]:
    """Write into the folder why the run did not end by itself."""
    try:
        yield
    except BaseException as error:
        note(folder, error)
        raise


def note(folder: Folder, error: BaseException) -> None:
    """Write into a folder what cut its run off; `GeneratorExit`: whoever asked for more heeded a signal instead."""
    interrupted = isinstance(error, Interrupted | KeyboardInterrupt | GeneratorExit)
    status = "interrupted" if interrupted else "failed"
    verdict = str(error) if isinstance(error, OptrunError) else f"{type(error).__name__}: {error}"
    if isinstance(error, GeneratorExit):
        verdict = "stopped with the sweep"
    try:
        folder.conclude({"status": status, "verdict": verdict, "epochs": len(folder.rows)})
    except OptrunError:
        pass  # the disk is the likely cause of both; the first error is the one to show


@contextmanager
def memory_errors() -> Iterator[None]:
    """Turn the allocators' errors into `OutOfMemory`."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise OutOfMemory(f"out of memory: {first_line(error)}") from error
    except (RuntimeError, TypeError, ValueError) as error:
        if not any(phrase in str(error) for phrase in TOO_LARGE):
            raise
        raise OutOfMemory(f"out of memory: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    """What an allocator says, without its stack."""
    return (str(error) or "no more to be had").splitlines()[0]


def redraw(path: Path, screen: Screen) -> list[Path]:
    """Draw the pictures of a run anew, from files that are what was written."""
    for notice in verified(path):
        screen.notice(notice)
    if not read_rows(path / "metrics.csv"):
        raise ConfigError("", path, allowed="a run with at least one epoch", do=f"optrun resume {path}")
    return drawn(path)


def drawn(path: Path) -> list[Path]:
    """Draw the pictures of a run; imports matplotlib, for which a refused run need not wait."""
    from runner.plot import curves

    return curves.draw(path)
