"""Runs and sweeps on one page: curves, rankings, what the doctor sees, configurations, and the command of each."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.report import curves, runs
from runner.report.base import page, picture
from runner.report.runs import Run
from runner.report.table import Table, table
from runner.store.drawn import command_of

CURVES = 40  # in the chart: a legend that one still reads, and about 1 MB
AT_ONCE = 8  # of them that are drawn before anybody chooses: as many as there are colours
DETAILED = 12  # runs that are told of one by one, of those that are named; of each sweep the best is, too
PICTURES = 1_000_000  # bytes in all; a page has a third more of them, in letters
FILMS = 1_000_000  # bytes in all beside them: a handful of films, and still a page that can be mailed
STILL, FILM = (".svg", ".png"), ".gif"
# What `optrun landscape` may have left in a folder.
LANDSCAPES = ("landscape", "landscape_line", "landscape_principal", "landscape_filter", "landscape_hessian")


LOSS = "val_loss"  # what runs are compared by, unless somebody searched for something else

Look = Callable[[Run], Run]
Pictures = Mapping[Path, Sequence["Figure"]]


@dataclass(frozen=True)
class Damaged:
    """A folder that cannot be told of, and why."""

    name: str
    why: str


@dataclass(frozen=True)
class Sweep:
    """A sweep folder.

    counts   what became of its runs, in words
    tables   the ranking first, each with the words under its heading
    best     its best runs, the first one first, as far as there is room for their curves
    left     completed runs without a curve
    goal     the column that its runs are ranked by
    """

    folder: Path
    title: str
    command: str
    created: str
    counts: str
    tables: Sequence[tuple[Table, str]]
    best: Sequence[Run]
    left: int
    goal: str = LOSS


@dataclass(frozen=True)
class Figure:
    """A picture that lies in a folder.

    address  which holds it; empty where there is no room for it on the page
    path     where it lies, and its size in words
    command  that which draws it; empty where nobody has kept it
    film     whether it moves
    """

    address: str
    text: str
    path: Path
    size: str
    command: str
    film: bool


def room(runs: int, sweeps: int) -> tuple[int, int]:
    """How many curves there are of runs that are named, and how many of each sweep.

    >>> room(3, 0), room(0, 1), room(2, 2), room(1000, 1), room(1000, 0)
    ((3, 0), (0, 40), (2, 19), (20, 20), (40, 0))
    """
    named = min(runs, CURVES // 2 if sweeps else CURVES)
    return named, (CURVES - named) // sweeps if sweeps else 0


def report(named: Sequence[Run], sweeps: Sequence[Sweep], damaged: Sequence[Damaged], command: str, look: Look) -> str:
    """The page.

    command  that which makes it
    look     what the doctor does with a run that is told of in detail
    """
    most, _ = room(len(named), len(sweeps))
    parts = [list(named[:most]), *(list(each.best) for each in sweeps)]
    drawn = [run for part in parts for run in part]
    chosen = [*named[:DETAILED], *(run for each in sweeps for run in each.best[:1])]
    detailed = [look(run) for run in chosen]
    pictures, ground = figures(sweeps, detailed)
    goals = {*(each.goal for each in sweeps), *([LOSS] if named else [])}
    chart = (
        curves.chart(drawn, at_once(parts), goals.pop() if len(goals) == 1 else LOSS)
        if any(run.rows for run in drawn)
        else None
    )
    return page(
        "folders.html",
        ("chart.js", "sort.js") if chart else ("sort.js",),
        title=heading(named, sweeps),
        command=command,
        named=named,
        sweeps=sweeps,
        damaged=damaged,
        chart=chart,
        side_by_side=any(run.manifest.get("side_by_side") for run in drawn),
        thin=[run for run in drawn if len(run.rows) > curves.most_of(drawn)],
        undrawn=len(named) - len(parts[0]),
        compared=comparison(named) if len(named) > 1 else None,
        detailed=detailed,
        untold=len(named) - min(len(named), DETAILED),
        differences=differences(detailed),
        pictures=pictures,
        ground=ground,
        shown=runs.shown,
    )


def heading(named: Sequence[Run], sweeps: Sequence[Sweep]) -> str:
    """What is on the page: the title of the only run or sweep, else how many there are."""
    titles = [*(run.title for run in named), *(sweep.title for sweep in sweeps)]
    if len(titles) < 2:
        return titles[0] if titles else "No run that can be read"
    counts = ((len(named), "run"), (len(sweeps), "sweep"))
    return " and ".join(f"{count} {what}{'s' if count > 1 else ''}" for count, what in counts if count)


def at_once(parts: Sequence[Sequence[Run]]) -> list[int]:
    """The places of the runs that are drawn at once: the first of each part, and as many of each as of any other."""
    filled = [part for part in parts if part]
    each = max(1, AT_ONCE // max(1, len(filled)))
    places: list[int] = []
    start = 0
    for part in filled:
        places += range(start, start + min(each, len(part)))
        start += len(part)
    return places


def comparison(named: Sequence[Run]) -> Table:
    """The runs that were named, a row each, with their numbers."""
    numbers = list(dict.fromkeys(name for run in named for name in run.numbers))
    lines = [["run", "what", "status", "epochs", "best_epoch", *numbers, "train_s"]]
    for run in named:
        told = (
            len(run.rows),
            run.best["epoch"] if run.best else None,
            *map(run.numbers.get, numbers),
            run.summary.get("train_s"),
        )
        lines.append([run.name, run.title, run.status, *("" if value is None else repr(value) for value in told)])
    return table("Runs", lines)


def differences(detailed: Sequence[Run]) -> dict[str, list[str]]:
    """The keys whose values are not the same in all runs that are told of, with these values."""
    keys = dict.fromkeys(key for run in detailed for key in run.config)
    told = {key: [run.config.get(key, "") for run in detailed] for key in keys}
    return {key: values for key, values in told.items() if len(set(values)) > 1}


class Budget:
    """How many bytes of pictures the page still takes."""

    def __init__(self) -> None:
        self.left = {False: PICTURES, True: FILMS}

    def figure(self, path: Path, text: str, command: str) -> Figure:
        """A picture, as far as there is room for it."""
        size, film = path.stat().st_size, path.suffix == FILM
        fits = size <= self.left[film]
        self.left[film] -= size if fits else 0
        return Figure(picture(path) if fits else "", text, path, in_words(size), command, film)


def figures(sweeps: Iterable[Sweep], detailed: Iterable[Run]) -> tuple[Pictures, Pictures]:
    """Folder -> the pictures that it has drawn itself, and those of its landscape.

    The first ones of all folders have their room before any landscape.
    """
    budget = Budget()
    wanted: list[tuple[Path, str, Sequence[str]]] = [
        *((each.folder, each.title, ("claim", "tune", "sweep")) for each in sweeps),
        *((run.folder, run.title, ("curves", "probes")) for run in detailed),
    ]
    own = {folder: list(drawn(budget, folder, title, names)) for folder, title, names in wanted}
    return own, {folder: list(landscapes(budget, folder, title)) for folder, title, _ in wanted}


def drawn(budget: Budget, folder: Path, title: str, names: Sequence[str]) -> Iterator[Figure]:
    """The pictures that `optrun plot` draws."""
    for path in filter(None, (smallest(folder, name) for name in names)):
        yield budget.figure(path, f"{path.stem} of {title}", shlex.join(["optrun", "plot", str(folder)]))


def landscapes(budget: Budget, folder: Path, title: str) -> Iterator[Figure]:
    """The pictures and films of `optrun landscape`, each with the command that was kept beside it."""
    for name in LANDSCAPES:
        command, film = command_of(folder, name), folder / f"{name}{FILM}"
        text = f"{name.replace('_', ', ')} of {title}"
        if path := smallest(folder, name):
            yield budget.figure(path, text, command)
        if film.is_file() and not film.is_symlink():
            yield budget.figure(film, f"{text}, its paths growing step by step", command)


def smallest(folder: Path, name: str) -> Path | None:
    """The picture of a name, in the kind that takes the fewest bytes."""
    there = [path for kind in STILL if (path := folder / f"{name}{kind}").is_file() and not path.is_symlink()]
    return min(there, key=lambda path: path.stat().st_size, default=None)


def in_words(size: int) -> str:
    """Bytes, as one says them.

    >>> in_words(231_234), in_words(1_804_000), in_words(300)
    ('231 kB', '1.8 MB', '0 kB')
    """
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
