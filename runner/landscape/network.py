"""The landscape of a network: the lines from the start to the ends of its runs, and a plane with their paths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from runner.build import subject
from runner.core.moments import Moments
from runner.landscape import filter, hessian, principal, tables
from runner.landscape.base import Seen, Surface, Trajectory, Values, View, told
from runner.landscape.line import along
from runner.landscape.window import grid, telling, window
from runner.run import Material, Run, prepare
from runner.store import drawn

Directions = Literal["principal", "filter", "hessian"]
PLANES = {"principal": principal.plane, "filter": filter.plane, "hessian": hessian.plane}
OF = {"principal": "principal directions", "filter": "random directions", "hessian": "directions of the Hessian"}
SHORT = 0.1  # of the width of a picture: of a shorter path one sees the end alone
DEEP = 1000.0  # the highest loss over the lowest, from which on levels count from 0, where no loss is below


def of_network(run: Run, paths: Sequence[Trajectory], view: View, directions: Directions) -> Iterator[str]:
    """Lines for the screen; tables, pictures and the film in the folder of the view."""
    m = prepare(run)
    m.settle()
    train, validation = Surface(run, m, m.train, view.examples), Surface(run, m, m.validation, view.examples)
    yield f"loss:       mean over {train.examples:,} training and {validation.examples:,} validation examples, {how(m)}"
    yield from of_lines(run, [each for each in paths if not each.lost], train, validation, view)
    yield from of_plane(run, paths, train, view, directions)


def how(m: Material) -> str:
    """In which mode the network is looked at."""
    norm = any(isinstance(part, Moments) for part in m.module.modules())
    return "without penalty, dropout off" + (", batch norm by the moments of these examples" if norm else "")


def of_lines(run: Run, paths: Sequence[Trajectory], train: Surface, validation: Surface, view: View) -> Iterator[str]:
    """The line of every run that did not diverge."""
    lines = [along(each, train, validation, view.points) for each in paths]
    for line in lines:
        yield f"line:       {line.name}: {line.told}"
    yield f"numbers:    {tables.of_lines(view.folder / 'landscape_line.csv', lines)}"
    from runner.plot.landscape import line as plot  # matplotlib; the text need not wait for it

    shown = [
        plot.Line(each.name, each.optimizer, each.told, each.alphas, each.train, each.validation) for each in lines
    ]
    note = f"straight from the start of each run to its end · mean over {train.examples:,} training examples"
    for path in plot.draw(view.folder, "landscape_line", f"{subject(run)}: on the line", note, shown):
        yield f"picture:    {path}"
    drawn.note(view.folder, "landscape_line", view.command)


def of_plane(
    run: Run, paths: Sequence[Trajectory], surface: Surface, view: View, directions: Directions
) -> Iterator[str]:
    """The plane, with the path of every run on it where it can be seen there."""
    well = [each for each in paths if not each.lost]  # the end of another is no place to look from
    plane = PLANES[directions](Seen(well, surface, surface.layout, view.seed))
    near = [plane.nearest(each.points) for each in paths]
    places, off = [own for own, _ in near], [far for _, far in near]
    losses = [np.array([surface(point) for point in each.points]) for each in paths]
    corners = np.array([[sign * reach for reach in plane.reach] for sign in (-1, 1)])
    kept = telling(places, losses, [not each.lost for each in paths])
    seen = window(np.concatenate([kept, corners]))
    shown = grid(plane, surface, seen, view.points)
    yield f"plane:      {' and '.join(plane.names)}; {view.points} x {view.points} losses"
    for each, far in zip(paths, off, strict=True):
        yield f"off plane:  {each.name}: {', '.join(leaving(each, far))}"
    stem = f"landscape_{directions}"
    yield f"numbers:    {tables.of_grid(view.folder / f'{stem}.csv', shown)}"
    yield f"numbers:    {tables.of_paths(view.folder / f'{stem}_paths.csv', paths, places, off)}"
    visible = np.ptp(kept, axis=0).max() > SHORT * seen.width
    if not visible:
        yield f"paths:      shorter than {100 * SHORT:.0f} % of the picture on this plane, and not drawn"
    from runner.plot.landscape import contours, film  # matplotlib; the text need not wait for it

    tracks = [
        contours.Track(
            each.name, each.optimizer, (*told(each, loss[-1]), *leaving(each, far)),
            each.lost, np.array(each.steps), *xy.T,
        )
        for each, loss, xy, far in zip(paths, losses, places, off, strict=True)
    ]  # fmt: skip
    (last,) = (track for each, track in zip(paths, tracks, strict=True) if each is well[-1])
    picture = contours.Shown(
        title=f"{subject(run)}: {OF[directions]}",
        notes=(
            f"mean over {surface.examples:,} training examples on a plane through the end of {well[-1].name}",
            plane.told,
        ),
        labels=plane.names,
        x=shown.x,
        y=shown.y,
        losses=shown.losses,
        floor=floor_of(shown.losses),
        tracks=tuple(tracks if visible else [contours.ended(last)]),
        minima=(),
        even=seen.even,
        start=visible,
    )
    for path in contours.draw(view.folder, stem, picture):
        yield f"picture:    {path}"
    if visible and max(len(each.steps) for each in paths) > 2:
        yield f"picture:    {film.draw(view.folder, stem, picture)}"
    drawn.note(view.folder, stem, view.command)


def leaving(one: Trajectory, far: Values) -> tuple[str, str]:
    """How far a path is from the places where it is drawn, beside how far it led."""
    whole = float((one.end.double() - one.start.double()).norm())
    return f"{whole:.3g} from start to end", f"up to {far.max():.3g} off the plane"


def floor_of(losses: Values) -> float:
    """What levels are measured from: 0 where some losses are next to nothing beside others, else the lowest one."""
    finite = losses[np.isfinite(losses)]
    low = float(finite.min())
    return 0.0 if low > 0 and finite.max() > DEEP * low else low
