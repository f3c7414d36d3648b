"""The directions in which the loss bends most."""

from __future__ import annotations

import torch
from torch import Tensor

from runner.core.errors import ConfigError
from runner.core.products import Operator
from runner.core.streams import stream
from runner.landscape.base import Plane, Seen, Surface
from runner.linalg.lanczos import lanczos
from runner.linalg.operator import gaussian

SHORTEST = 2.0**-12  # of the way from start to end, from which on lengths are tried
STEPS = 60  # of Lanczos for each direction; the largest eigenvalue of a network is known to 1e-4 after about 20


def plane(seen: Seen) -> Plane:
    """The eigenvectors of the two largest eigenvalues of the Hessian at the end of the last run.

        L(end + a v) = L(end) + a g.v + lambda a^2 / 2 + ...

    One after the other by Lanczos, the second with the first taken out of every product, so that two equal eigenvalues
    have a direction each. A figure looks as far as the loss climbs to that at the start; eigenvalues stand at the axes.
    Costs twice `STEPS` products with the Hessian, and as many vectors.
    """
    end = seen.trajectories[-1].end
    product = seen.surface.hessian(end)
    found: list[tuple[float, Tensor]] = []
    for place in (1, 2):
        known = [vector for _, vector in found]
        start = without(gaussian(end, stream(seen.seed, "landscape", place)), known)
        found.append(largest(lambda v, known=known: without(product(v), known), start))  # type: ignore[misc]
    last = seen.trajectories[-1]
    roof, far = seen.surface(last.start), float((last.start - end).norm())
    directions = torch.stack([vector for _, vector in found])
    (first, u), (second, v) = found
    reach = (climb(seen.surface, end, u, roof, far), climb(seen.surface, end, v, roof, far))
    names = (f"eigenvector 1 (eigenvalue {first:.4g})", f"eigenvector 2 (eigenvalue {second:.4g})")
    told = "the two largest eigenvalues of the Hessian there"
    return Plane(end, directions, names, told, reach)


def largest(product: Operator, start: Tensor) -> tuple[float, Tensor]:
    """The largest eigenvalue of a symmetric matrix, and its vector `[P]` of length 1."""
    try:
        found = lanczos(product, start, STEPS)
    except FloatingPointError:
        raise ConfigError(
            "directions", "hessian", allowed="an end where the loss and its second derivatives are finite",
            do="give directions=filter",
        ) from None  # fmt: skip
    vector = found.vector(-1)
    return float(found.values[-1]), vector / vector.norm()


def without(vector: Tensor, known: list[Tensor]) -> Tensor:
    """The part of a vector that is orthogonal to some orthonormal ones."""
    for each in known:
        vector = vector - (vector @ each) * each
    return vector


def climb(surface: Surface, end: Tensor, direction: Tensor, roof: float, far: float) -> float:
    """How far the loss takes to climb to the `roof` on either side of the end, by doubling; at most `far`.

    roof  the loss at the start
    far   from the end to the start
    """
    length = far * SHORTEST
    while length < far and max(surface(end + sign * length * direction) for sign in (-1.0, 1.0)) < roof:
        length *= 2
    return min(length, far)
