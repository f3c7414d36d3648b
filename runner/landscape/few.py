"""The landscape of one or two parameters, all of it: a curve, or contours with their minima; and its film."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from runner.build import subject
from runner.landscape import tables
from runner.landscape.base import Surface, Trajectory, Values, View, told
from runner.landscape.coordinates import lowest, minima, names
from runner.landscape.window import Grid, Window, telling, window
from runner.run import Run, prepare
from runner.store import drawn

AROUND = 0.5  # of the window: so far beside it a minimum is taken into it
DEEPER = 10.0  # times what the slowest run has fallen
NOTHING, SMALL = 1e-12, 1e-8  # of the losses of a figure, and of its width: what L-BFGS does not know


def of_few(made: Run, paths: Sequence[Trajectory], view: View) -> Iterator[str]:
    """Lines for the screen; tables, pictures and the film in the folder of the view.

    The loss is computed in float64, so that contours are smooth, and the minima are those of the function.
    """
    run = replace(made, precision="float64", device="cpu")
    m = prepare(run)
    surface = Surface(run, m, m.train, view.examples)
    places = [each.points.double().cpu() for each in paths]
    losses = [surface.of_many(own) for own in places]
    seen, below = sight(surface, paths, places, losses)
    shown = losses_in(surface, seen, view.points, m.layout.size)
    cells = [torch.tensor(place) for place in lowest(shown)]
    low = [each for each in minima(surface, [*below, *cells], seen.width) if seen.holds(*flat(each))]
    finite = shown.losses[np.isfinite(shown.losses)]
    least = NOTHING * np.ptp(finite)
    values = [rounded(surface(each), least) for each in low]
    floor = min(values) if values and min(values) <= finite.min() + least else None
    for each, value in sorted(zip(low, values, strict=True), key=lambda pair: (pair[1], pair[0].tolist())):
        place = ", ".join(f"{rounded(x, SMALL * seen.width):.6g}" for x in each.tolist())
        yield f"minimum:    {value:.6g} at ({place})"
    yield f"numbers:    {tables.of_grid(view.folder / 'landscape.csv', shown)}"
    off = [np.zeros(len(own)) for own in places]
    both = [
        np.column_stack([own[:, 0], own[:, 1] if own.shape[1] > 1 else loss])
        for own, loss in zip(places, losses, strict=True)
    ]
    yield f"numbers:    {tables.of_paths(view.folder / 'landscape_paths.csv', paths, both, off)}"
    from runner.plot.landscape import contours, film  # matplotlib; the text need not wait for it

    labels = names(run, m.layout)
    picture = contours.Shown(
        title=subject(run),
        notes=(),
        labels=(labels[0], labels[1] if len(labels) > 1 else "loss"),
        x=shown.x,
        y=shown.y,
        losses=shown.losses,
        floor=floor,
        tracks=tuple(
            contours.Track(each.name, each.optimizer, told(each, loss[-1]), each.lost, np.array(each.steps), *xy.T)
            for each, loss, xy in zip(paths, losses, both, strict=True)
        ),
        minima=tuple(
            (each[0].item(), each[1].item() if len(each) > 1 else value)
            for each, value in zip(low, values, strict=True)
        ),
        even=seen.even,
    )
    for path in (*contours.draw(view.folder, "landscape", picture), film.draw(view.folder, "landscape", picture)):
        yield f"picture:    {path}"
    drawn.note(view.folder, "landscape", view.command)


def sight(
    surface: Surface, paths: Sequence[Trajectory], places: Sequence[Tensor], losses: Sequence[Values]
) -> tuple[Window, list[Tensor]]:
    """What part to show, and the minima near it to which the ways down from the ends of the paths lead; where all runs
    have diverged, from their start.

    places, losses: of each path `[n, d]` and `[n]`
    """
    embedded = [np.array([flat(point) for point in own]) for own in places]
    well = [not each.lost for each in paths]
    kept = telling(embedded, losses, well)
    first = window(kept)
    from_where = [own[-1] for own, ended in zip(places, well, strict=True) if ended] or [places[0][0]]
    ends = minima(surface, from_where, first.width)
    if not ends:
        kept = telling(embedded, [shallow(loss, losses) for loss in losses], well)
    below = [each for each in ends if not any(well) or first.holds(*flat(each), AROUND)]
    return window(np.concatenate([kept, *([flat(each)] for each in below)])), below


def shallow(loss: Values, losses: Sequence[Values]) -> Values:
    """The losses of a path, infinite where it has fallen far below the others: without a floor, the fastest falls
    without end, and would make a dot of everything else."""
    drops = [each[0] - each.min() for each in losses]
    least = min((drop for drop in drops if drop > 0), default=np.inf)
    return np.where(loss < loss[0] - DEEPER * least, np.inf, loss)


def rounded(value: float, least: float) -> float:
    """The value; 0 where it is less than the figure knows, as 1e-28 is at the foot of a bowl."""
    return 0.0 if abs(value) < least else value


def flat(point: Tensor) -> tuple[float, float]:
    """A point `[1]` or `[2]` as a place in the plane."""
    x, *others = point.tolist()
    return x, (others or [0.0])[0]


def losses_in(surface: Surface, seen: Window, points: int, dimension: int) -> Grid:
    """The losses in a window, so many along each axis; of one parameter, along the first."""
    x, y = np.linspace(seen.left, seen.right, points), np.linspace(seen.low, seen.high, points)
    if dimension == 1:
        return Grid(x, np.empty(0), surface.of_many(torch.from_numpy(x)[:, None]))
    places = torch.cartesian_prod(torch.from_numpy(y), torch.from_numpy(x)).flip(1)
    return Grid(x, y, surface.of_many(places).reshape(points, points))
