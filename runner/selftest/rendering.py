from __future__ import annotations

import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import termios
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import final

from runner.selftest import program
from runner.selftest.base import Area, Effort, Trial
from runner.selftest.program import Done

SMALL = ("dataset=iris", "architecture.hidden=[4]", "epochs=3")
ONE = (*SMALL[:-1], "epochs=1")
PICTURES = ("curves.png", "curves.svg")
NOTICED = 2  # lines at most: what matplotlib says of a home that it cannot write to
ASCII = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
COLOUR = re.compile(r"\x1b\[[0-9;]*\b(3[0-7]|9[0-7])m")  # a foreground colour; bold and dim are none
SCREEN = {"TERM": "xterm-256color"}
SIZES = ("COLUMNS", "LINES")  # what a shell says of its terminal, which is not ours
CLOSED = ("sh", "-c", 'exec "$@" >&-', "sh")


@dataclass(frozen=True)
class Sight:
    """How a run is seen.

    without    variables that the environment lacks
    columns    of the terminal that it is shown in; none for a pipe
    code       that it must end with
    closed     whether it begins with its standard output closed
    """

    what: str
    overrides: tuple[str, ...] = SMALL
    env: dict[str, str] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    columns: int | None = None
    code: int = 0
    closed: bool = False


TERMINALS = (
    Sight("a terminal of 20 columns", env=SCREEN, columns=20),
    Sight("a terminal of 0 columns", env=SCREEN, columns=0),
    Sight("a terminal without any character but ASCII", env=SCREEN | ASCII, columns=80),
    Sight("NO_COLOR", env=SCREEN | {"NO_COLOR": "1"}, columns=80),
    Sight("a terminal of 1 column", env=SCREEN, columns=1),
    Sight("a terminal of 500 columns", env=SCREEN, columns=500),
    Sight("TERM=dumb", env={"TERM": "dumb"}, columns=80),
    Sight("a terminal without a name", without=("TERM",), columns=80),
)
PIPES = (
    Sight("LANG=C", env=ASCII),
    Sight("standard output closed", closed=True),
    Sight("losses that are all NaN", (*SMALL, "optimizer=sgd", "lr=1e20"), code=3),
    Sight("one epoch, and windows asked for where no display is", ONE, {"MPLBACKEND": "tkagg"}, ("DISPLAY",)),
    Sight("no home", without=("HOME", "MPLCONFIGDIR", "XDG_CACHE_HOME")),
    Sight("a home that cannot be written", env={"HOME": "/dev/null", "MPLCONFIGDIR": "/dev/null/matplotlib"}),
    Sight("20,000 epochs", ("problem=bowl", "optimizer=sgd", "lr=1e-3", "epochs=20000", "stop=epochs")),
)
LONG = Sight("1,000,000 epochs", ("problem=bowl", "optimizer=sgd", "lr=1e-6", "epochs=1000000", "stop=epochs"))
SWEEP = ("-m", *SMALL, "lr=0.1,0.01", "lanes=off", "workers=1")


@final
class Rendering(Area):
    """A run where what it shows cannot be shown as it was meant."""

    name = "rendering"
    promise = "a run completes without display, fonts, colours or width; a notice at most"

    def trials(self, folder: Path, effort: Effort) -> Iterator[Trial]:
        full = effort == "full"
        for number, sight in enumerate((*TERMINALS, *PIPES, LONG) if full else (*TERMINALS[:4], *PIPES[:4])):
            yield seen(sight, folder / str(number))
        yield fontless(folder / "fonts")
        if full:
            yield seen(Sight("a sweep in 20 columns", SWEEP, SCREEN, columns=20), folder / "sweep")


def seen(sight: Sight, folder: Path) -> Trial:
    """Whether a run in these circumstances ends as it must, says at most a notice, and draws or says why not."""
    folder.mkdir()
    where = "hydra.sweep.dir=run" if "-m" in sight.overrides else "hydra.run.dir=run"
    done = shown((*sight.overrides, where), sight, folder)
    return judged(sight.what, done, sight.code, folder, "NO_COLOR" in sight.env)


def judged(what: str, done: Done, code: int, folder: Path, colourless: bool = False) -> Trial:
    """What is wrong with an end, if anything is."""
    pictures = ("sweep.png",) if (folder / "run" / "sweep.json").exists() else PICTURES
    drawn = all((folder / "run" / name).exists() for name in pictures)
    notices = len(done.err.splitlines()) + done.out.count("note: ")
    wrong = {
        f"exit code {done.code}": done.code != code,
        "a traceback": "Traceback" in done.out + done.err,
        f"{notices} notices": notices > NOTICED,
        "no pictures, and no word about it": not drawn and "the pictures were not drawn" not in done.out,
        "colours": colourless and COLOUR.search(done.out) is not None,
    }
    said = ", ".join(words for words, so in wrong.items() if so)
    if not said:
        shutil.rmtree(folder)
    return Trial(what, not said, f"{said}\n{done.err}\n{done.out[-2000:]}")


def shown(arguments: tuple[str, ...], sight: Sight, cwd: Path) -> Done:
    """Run the program in a terminal of this width, or with a pipe."""
    env = {name: value for name, value in program.environment().items() if name not in (*SIZES, *sight.without)}
    reader, writer = os.pipe() if sight.columns is None else terminal(sight.columns)
    with open(cwd / "stderr", "w+b") as err, open(reader, "rb", buffering=0) as out:
        process = subprocess.Popen(
            [*(CLOSED if sight.closed else ()), *program.PYTHON, "-m", program.PROGRAM, *arguments],
            cwd=cwd,
            env=env | sight.env,
            stdin=subprocess.DEVNULL,
            stdout=writer,
            stderr=err,
        )
        os.close(writer)
        text = b"".join(iter(lambda: piece(out.fileno()), b""))
        code = process.wait()
        err.seek(0)
        return Done(code, text.decode(errors="replace"), err.read().decode(errors="replace"))


def terminal(columns: int) -> tuple[int, int]:
    """The two ends of a terminal of this width: what is shown, and where to write."""
    reader, writer = pty.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    return reader, writer


def piece(reader: int) -> bytes:
    """What was written meanwhile; nothing once all writers are gone, which a terminal on Linux says by an error."""
    try:
        return os.read(reader, 1 << 16)
    except OSError:
        return b""


def fontless(folder: Path) -> Trial:
    """A run with a matplotlib from which every font was removed, in a home without a cache of fonts."""
    spec = find_spec("matplotlib")
    assert spec
    ours = Path(str(spec.origin)).parent
    site = folder / "site"
    for there, but in ((ours, "mpl-data"), (ours / "mpl-data", "fonts"), (ours / "mpl-data" / "fonts", "ttf")):
        here = site / "matplotlib" / there.relative_to(ours)
        here.mkdir(parents=True)
        for path in there.iterdir():
            if path.name != but:
                (here / path.name).symlink_to(path)
    (site / "matplotlib" / "mpl-data" / "fonts" / "ttf").mkdir()
    first = os.pathsep.join((str(site), program.environment()["PYTHONPATH"]))
    env = {"PYTHONPATH": first, "MPLCONFIGDIR": str(folder / "home")}
    done = shown((*SMALL, "hydra.run.dir=run"), Sight("", env=env), folder)
    return judged("a matplotlib without fonts", done, 0, folder)
