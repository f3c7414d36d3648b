"""The directions along which the runs moved most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from runner.landscape.base import Plane, Seen, refuse_flat

BLOCK = 1 << 16  # parameters that are in float64 at a time: 200 points of them are 100 MB
RANK = 1e-12  # of the largest s^2: below it s is known to no digit in float64


def plane(seen: Seen) -> Plane:
    """The two principal directions of all points of all runs, about the end of the last one.

        M = rows theta_t - theta_end,   M M' = U diag(s^2) U',   u_k = M' U_k / s_k

    They are orthonormal, and point from the first run's start towards that end (u) and away from it (v), so that paths
    go from the left to the right. s_k^2 over the sum of all s^2 is the share of the squared distances from that end
    which lies along u_k; it stands at the axes.

    Source: Li et al. 2018, section 7.2. Here: of n points the n x n matrix M M' is decomposed, in float64, which takes
    n^2 P multiplications; and nothing is subtracted but the end, so that the plane goes through it.
    """
    end = seen.trajectories[-1].end
    points = [each.points for each in seen.trajectories]
    products = sum(away @ away.T for away in parts(points, end))
    assert isinstance(products, Tensor)
    squares, vectors = torch.linalg.eigh(products)
    squares, vectors = squares.flip(0)[:2], vectors.flip(1)[:, :2]
    if not squares[1] > RANK * squares[0]:
        refuse_flat(
            "principal", end.new_zeros(2, 2), "runs that leave the line through their start and their end",
            "give points=200, or name several runs; or give directions=filter",
        )  # fmt: skip
    vectors = vectors / squares.sqrt() * torch.where(vectors[0] * vectors.new_tensor([-1.0, 1.0]) < 0, -1.0, 1.0)
    directions = torch.cat([vectors.T @ away for away in parts(points, end)], 1)
    shares = (100 * squares / products.trace()).tolist()
    first, second = (f"principal direction {place} ({share:.3g} %)" for place, share in enumerate(shares, 1))
    return Plane(end.double(), directions, (first, second), "in brackets: share of the squared distances")


def parts(points: Sequence[Tensor], end: Tensor) -> Iterator[Tensor]:
    """The columns of M `[n, P]` in float64, so many at a time, for `points`, each `[n_i, P]`, and `end [P]`."""
    for at in range(0, len(end), BLOCK):
        columns = slice(at, at + BLOCK)
        yield torch.cat([each[:, columns].double() for each in points]) - end[columns].double()
