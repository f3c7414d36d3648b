"""The numbers of a figure as tables, in full precision."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from runner.landscape.base import Trajectory, Values
from runner.landscape.line import Line
from runner.landscape.window import Grid
from runner.store.base import write_whole


def write(path: Path, header: str, rows: Iterable[Iterable[float | str]]) -> Path:
    """Replace a CSV file; texts are quoted where they hold a comma."""
    lines = (",".join(quoted(cell) if isinstance(cell, str) else repr(cell) for cell in row) for row in rows)
    write_whole(path, "".join(f"{line}\n" for line in (header, *lines)).encode())
    return path


def quoted(text: str) -> str:
    """A text as a cell.

    >>> quoted("sgd"), quoted('mlp hidden=[8,8]')
    ('sgd', '"mlp hidden=[8,8]"')
    """
    doubled = text.replace('"', '""')
    return f'"{doubled}"' if set(text) & set(',"\n') else text


def of_grid(path: Path, grid: Grid) -> Path:
    """x, y and the loss there, row by row; of a curve x and the loss."""
    if not grid.y.size:
        return write(path, "x,loss", zip(grid.x.tolist(), grid.losses.tolist(), strict=True))
    x, y, losses = grid.x.tolist(), grid.y.tolist(), grid.losses.tolist()
    return write(path, "x,y,loss", ((a, b, losses[j][i]) for j, b in enumerate(y) for i, a in enumerate(x)))


def of_paths(path: Path, paths: Sequence[Trajectory], places: Sequence[Values], off: Sequence[Values]) -> Path:
    """Where every run was: its place in the figure, and how far it was from there."""
    rows = (
        (run.name, step, *place.tolist(), float(away))
        for run, own, far in zip(paths, places, off, strict=True)
        for step, place, away in zip(run.steps, own, far, strict=True)
    )
    return write(path, "run,step,x,y,off_plane", rows)


def of_lines(path: Path, lines: Sequence[Line]) -> Path:
    """The losses of every run along its line."""
    rows = (
        (line.name, *numbers)
        for line in lines
        for numbers in zip(line.alphas.tolist(), line.train.tolist(), line.validation.tolist(), strict=True)
    )
    return write(path, "run,alpha,train_loss,val_loss", rows)
