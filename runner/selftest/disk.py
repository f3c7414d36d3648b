"""Disks that are full, broken, small, read-only or gone, and names that few people give to folders."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

from runner.selftest import program
from runner.selftest.base import Area, Effort, Trial
from runner.selftest.kill import compared, go_on
from runner.selftest.nursery import Order, nursery
from runner.selftest.program import SMALL, remains

DISK = 4
RUN = ("optimizer=adam", "lr=0.01", "architecture.dropout=0.2", *SMALL, "epochs=4")
LARGE = ("architecture.hidden=[100]", "stop=epochs", "epochs=4")  # a commit takes 120 kB
TMPFS, LATER = "256k", "8m"
FILE_BYTES = 40_000  # less than a commit of RUN takes after its first step
OFTEN = "runner.selftest.inside.often"
NAMES = ("with space", "a=b,c", "größe θ 😀", "two\nlines", "[x] {y}", "-m")


@final
class Disk(Area):
    """What a run says of a disk that fails, what it leaves, and that it ends as if nothing had been."""

    name = "disk"
    promise = "a failing disk ends a run with 4, the file and the cause; the last commit loads, resume is exact"
    note = "a disk that says it has written and has not (fsync on some network file systems) cannot be noticed"

    def trials(self, folder: Path, effort: Effort) -> Iterator[Trial]:
        with nursery() as order:
            complete = order(*RUN, "hydra.run.dir=whole", cwd=folder)
            whole = remains(folder / "whole")
            for how in ("ENOSPC", "ENOSPC+", "EIO", "short"):
                for at in range(1, complete["calls"] + 1, 1 if effort == "full" else 71):
                    what = f"{how} at call {at}, {complete['names'][at - 1]}"
                    yield self.failing(order, folder, what, whole, at=at, how=how)
            what = f"files of {FILE_BYTES} bytes at most"
            yield self.failing(order, folder, what, whole, how="limit", bytes=FILE_BYTES)
            yield self.small(order, folder)
            yield self.read_only(order, folder)
            yield self.removed(folder)
            yield from self.names(order, folder, NAMES if effort == "full" else NAMES[2:4])
            for what, name in (("a name of 300 letters", "x" * 300), ("a path of 6000 letters", "x/" * 3000)):
                yield ended(what, order(*RUN, f"hydra.run.dir={name}", cwd=folder), errno.ENAMETOOLONG)

    def failing(self, order: Order, folder: Path, what: str, whole: dict[str, Any], how: str, **fault: Any) -> Trial:
        """A run on a disk with a fault, then without it."""
        answer = order(*RUN, "hydra.run.dir=cut", cwd=folder, how=how, **fault)
        number = {"short": 0, "limit": errno.EFBIG}.get(how, getattr(errno, how.rstrip("+"), 0))
        first = ended(what, answer, number)
        if first.held and answer["code"] == DISK:
            first = compared(what, whole, folder / "cut", order(*go_on(folder / "cut", RUN), cwd=folder))
        shutil.rmtree(folder / "cut", ignore_errors=True)
        for left in folder.glob(".claim.*"):  # where the fault kept even that from being removed
            shutil.rmtree(left)
        return first

    def small(self, order: Order, folder: Path) -> Trial:
        """A disk of 256 kB, on which the second commit has no room; then of 8 MB."""
        what = f"a disk of {TMPFS}, then of {LATER}"
        (place := folder / "disk").mkdir()
        with mounted(place, "-t", "tmpfs", "-o", f"size={TMPFS}", "none") as possible:
            if not possible:
                return Trial("a small disk: not tried, as this user may not mount one", held=True)
            order(*LARGE, "hydra.run.dir=whole-large", cwd=folder)
            first = ended(what, order(*LARGE, "hydra.run.dir=disk/run", cwd=folder), errno.ENOSPC)
            if not first.held:
                return first
            subprocess.run(["mount", "-o", f"remount,size={LATER}", place], check=True)
            answer = order("resume", "disk/run", cwd=folder)
            return compared(what, remains(folder / "whole-large"), place / "run", answer)

    def read_only(self, order: Order, folder: Path) -> Trial:
        """A folder into which nothing can be written: mounted so, since permissions do not hold an administrator."""
        (place := folder / "read-only").mkdir()
        with mounted(place, "-t", "tmpfs", "-o", "ro", "none") as possible:
            place.chmod(0o555) if not possible else None
            answer = order(*RUN, "hydra.run.dir=read-only/run", cwd=folder)
        return ended("a read-only folder", answer, errno.EROFS if possible else errno.EACCES)

    def removed(self, folder: Path) -> Trial:
        """A folder that somebody removes while the run is in it."""
        what = "the folder removed in training"
        process = program.started(*SMALL, "epochs=5000", "hydra.run.dir=run", cwd=folder, module=OFTEN)
        program.until(lambda: program.rows(folder / "run") >= 3, process)
        os.rename(folder / "run", folder / "away")
        shutil.rmtree(folder / "away")
        done = program.finished(process)
        answer = {"code": done.code, "said": done.err.splitlines()[-1:]}
        if (folder / "run").exists():
            return Trial(what, held=False, seen="it has made the folder again")
        return ended(what, answer, errno.ENOENT)

    def names(self, order: Order, folder: Path, names: tuple[str, ...]) -> Iterator[Trial]:
        """Names with spaces, equals signs, other alphabets and line feeds, trained and resumed."""
        for name in names:
            what, run = f"a folder called {name!r}", folder / name
            made = order(*RUN, f"hydra.run.dir='{name}'", cwd=folder, at=60, how="after")
            answer = order("resume", f"./{name}", cwd=folder)
            trial = compared(what, remains(folder / "whole"), run, answer) if run.exists() else None
            yield trial or Trial(what, held=False, seen=f"exit code {made['code']}: {made['said']}")


def ended(what: str, answer: dict[str, Any], number: int) -> Trial:
    """Whether a run ended as one on a disk that fails with this error number; 0: not at all."""
    said = answer["said"][-1] if answer["said"] else ""
    if number == 0:
        return Trial(what, held=answer["code"] == 0, seen=f"exit code {answer['code']}: {said}")
    told = said.startswith("optrun: cannot ") and said.endswith(f": {os.strerror(number)}")
    return Trial(what, held=answer["code"] == DISK and told, seen=f"exit code {answer['code']}: {answer['said']}")


@contextmanager
def mounted(place: Path, *arguments: str) -> Iterator[bool]:
    """Something mounted at a folder for a while; whether that is allowed here."""
    possible = shutil.which("mount") is not None and os.geteuid() == 0
    done = subprocess.run(["mount", *arguments, place], capture_output=True, check=False) if possible else None
    try:
        yield done is not None and done.returncode == 0
    finally:
        if done is not None and done.returncode == 0:
            subprocess.run(["umount", "-l", place], check=False)
