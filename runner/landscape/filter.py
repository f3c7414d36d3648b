"""Random directions whose filters are as long as those of the network."""

from __future__ import annotations

import torch
from torch import Tensor

from runner.core.streams import stream
from runner.core.theta import Layout
from runner.landscape.base import Plane, Seen, refuse_flat
from runner.linalg.operator import gaussian


def plane(seen: Seen) -> Plane:
    """Two of them around the end of the last run.

    A step of 1 changes every filter by its own length, whatever the scale of the weights, which ReLU or batch norm can
    shift from one layer to the next without changing the function. In a network of many parameters two random
    directions are nearly orthogonal to each other, and to every path: a path looks short here.

    Source: Li et al. 2018, section 4. Here: their directions are not made orthogonal, which would spoil the lengths.
    """
    end = seen.trajectories[-1].end
    draws = [gaussian(end, stream(seen.seed, "landscape", number)) for number in (1, 2)]
    directions = torch.stack([normalized(draw, end, seen.layout) for draw in draws])
    refuse_flat(
        "filter", directions, "an end with weights that are not all 0, and more than one of them",
        "give directions=principal",
    )  # fmt: skip
    told = "1: every filter is changed by its own length"
    return Plane(end, directions, ("random direction 1", "random direction 2"), told, reach=(1.0, 1.0))


def normalized(direction: Tensor, theta: Tensor, layout: Layout) -> Tensor:
    """d_j <- d_j / ||d_j|| ||theta_j|| for every filter j: what leads into one unit or channel, a row of its tensor.

    direction, theta: `[P]`

    Tensors with a single axis (biases, scales of a normalization) get 0, as in the authors' program with
    ignore=biasbn: they are no filters, and a bias of 0 would fix its direction at 0 anyway.
    """
    result = torch.zeros_like(direction)
    for drawn, weight, made in zip(layout.views(direction), layout.views(theta), layout.views(result), strict=True):
        if weight.dim() > 1:
            rows, lengths = drawn.flatten(1), weight.flatten(1).norm(dim=1, keepdim=True)
            made.copy_((rows / rows.norm(dim=1, keepdim=True) * lengths).view_as(made))
    return result
