"""A run of one or two parameters: what these are called, and where their loss is least."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from runner.core.errors import Diverged
from runner.core.theta import Layout
from runner.landscape.base import Surface
from runner.landscape.window import Grid
from runner.run import Run

STILL = 1e-300  # change of the loss: as soon as it is 0, whatever the scale
ITERATIONS = 500  # of L-BFGS; Rosenbrock's valley takes about forty
REST = 1e-6  # of the largest eigenvalue times the width: the gradient of a point that is nearer than a millionth of it
BENT = 1e-8  # of the largest eigenvalue: below it the loss is flat in a direction, and no place is its minimum
SAME = 1e-3  # of the width: minima that no figure shows apart


def names(run: Run, layout: Layout) -> list[str]:
    """What the parameters are called: x1, x2 of a function, else by their tensors."""
    if run.dataset.empty:
        return [f"x{number + 1}" for number in range(layout.size)]
    return [f"{slot.name}[{at}]" if slot.size > 1 else slot.name for slot in layout.slots for at in range(slot.size)]


def minima(surface: Surface, starts: Iterable[Tensor], width: float) -> list[Tensor]:
    """The minima `[P]` to which L-BFGS comes from some starts `[P]`, in float64; each once.

    width  of the figure: a length that is not small
    """
    found: list[Tensor] = []
    for start in starts:
        point = settled(surface, start.double().cpu())
        if is_minimum(surface, point, width) and all((point - each).norm() > SAME * width for each in found):
            found.append(point)
    return found


def settled(surface: Surface, start: Tensor) -> Tensor:
    """Where L-BFGS with a line search comes to rest from `start [P]`; the last finite point where it never does."""
    point = torch.nn.Parameter(start.clone())
    rule = torch.optim.LBFGS(
        [point], max_iter=ITERATIONS, tolerance_grad=0.0, tolerance_change=STILL, line_search_fn="strong_wolfe"
    )

    def closure() -> float:
        value, point.grad = surface.slope(point.detach())
        return value

    try:
        rule.step(closure)  # type: ignore[no-untyped-call]
    except Diverged:
        pass  # a loss without a floor
    return point.detach()


def is_minimum(surface: Surface, point: Tensor, width: float) -> bool:
    """Whether the gradient is 0 there and the loss bends up in every direction."""
    try:
        _, gradient = surface.slope(point)
        product = surface.hessian(point)
    except Diverged:
        return False
    curvature = torch.linalg.eigvalsh(torch.stack([product(each) for each in torch.eye(len(point)).double()]))
    least, most = curvature.min().item(), curvature.max().item()
    return bool(least > BENT * most > 0 and gradient.norm().item() <= REST * most * width)


def lowest(grid: Grid) -> list[list[float]]:
    """The places `[d]` within a grid whose losses lie below those of all their neighbours."""
    if not grid.y.size:
        below = (grid.losses[1:-1] < grid.losses[:-2]) & (grid.losses[1:-1] < grid.losses[2:])
        return [[x] for x in grid.x[1:-1][below].tolist()]
    inner, (n, m) = grid.losses[1:-1, 1:-1], grid.losses.shape
    moves = [(i, j) for i in (0, 1, 2) for j in (0, 1, 2) if (i, j) != (1, 1)]
    below = np.logical_and.reduce([inner < grid.losses[i : n - 2 + i, j : m - 2 + j] for i, j in moves])
    return [[grid.x[column + 1], grid.y[row + 1]] for row, column in np.argwhere(below).tolist()]
