"""Products with the Hessian and with the Gauss-Newton matrix, from the graph of a loss that is differentiated twice.

An operator takes a vector `v [P]`, or rows of vectors `[n, P]` in one pass with the work of n products. It keeps its
graph, and so stays where it was made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from runner.core.theta import Layout

Operator = Callable[[Tensor], Tensor]  # v [..., P] to B v [..., P]


class TwiceOneByOne(nn.Module):
    """A layer whose second derivative torch cannot take in rows, so that products with a curvature are made singly."""


def hessian(total: Tensor, parameters: Sequence[Tensor], layout: Layout) -> Operator:
    """v -> H v, H = d^2 total / d parameters^2."""
    gradients = torch.autograd.grad(total, parameters, create_graph=True)
    # 0 p, since the gradient of a loss that is straight in p would have no graph.
    gradients = tuple(g + 0.0 * p for g, p in zip(gradients, parameters, strict=True))
    return lambda v: joined(pulled_back(gradients, parameters, layout.views(v), v), v.shape[:-1])


def gauss_newton(
    loss: Callable[[Tensor], Tensor], output: Tensor, parameters: Sequence[Tensor], layout: Layout
) -> Operator:
    """v -> J' (d^2 loss / d output^2) J v, J = d output / d parameters."""
    scores = output.detach().requires_grad_()
    (slope,) = torch.autograd.grad(loss(scores), scores, create_graph=True)
    slope = slope + 0.0 * scores
    u = torch.zeros_like(output, requires_grad=True)
    pulled = torch.autograd.grad(output, parameters, u, create_graph=True)  # J' u, straight in u
    pulled = tuple(each + 0.0 * u.sum() for each in pulled)  # J' u of a layer behind steps has no graph

    def product(v: Tensor) -> Tensor:
        (pushed,) = pulled_back(pulled, [u], layout.views(v), v)  # J v
        (curved,) = pulled_back([slope], [scores], [pushed], v)
        return joined(pulled_back([output], parameters, [curved], v), v.shape[:-1])

    return product


def pulled_back(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], slopes: Sequence[Tensor], v: Tensor
) -> tuple[Tensor, ...]:
    """J' u for the slopes u of the outputs, J = d outputs / d inputs; row by row where `v [..., P]` has rows."""
    return torch.autograd.grad(outputs, inputs, slopes, retain_graph=True, is_grads_batched=v.dim() > 1)


def one_by_one(product: Operator) -> Operator:
    """The same on rows too, whose products are made one after the other."""
    return lambda v: torch.stack([product(row) for row in v]) if v.dim() > 1 else product(v)


def joined(tensors: Sequence[Tensor], lead: tuple[int, ...] = ()) -> Tensor:
    """Tensors of a layout, each `[*lead, *shape]`, as vectors `[*lead, P]`."""
    return torch.cat([tensor.reshape(*lead, -1) for tensor in tensors], -1)
