"""The two-loop recursion against the matrices that it does not form."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from runner.linalg.two_loop import two_loop


def pairs(count: int, size: int = 7) -> tuple[Tensor, Tensor]:
    """Steps and what a positive definite matrix makes of them, `[count, size]` each."""
    numbers = torch.Generator().manual_seed(0)
    root, s = (torch.randn(n, size, generator=numbers, dtype=torch.float64) for n in (size, count))
    return s, s @ (root.T @ root + torch.eye(size, dtype=torch.float64))


def dense(s: Tensor, y: Tensor) -> Tensor:
    """The BFGS recursion on the whole matrix."""
    eye = torch.eye(s.shape[1], dtype=s.dtype)
    h = (s[-1] @ y[-1]) / (y[-1] @ y[-1]) * eye
    for one, other in zip(s, y, strict=True):
        rho = 1 / (one @ other)
        v = eye - rho * torch.outer(other, one)
        h = v.T @ h @ v + rho * torch.outer(one, one)
    return h


# Some 4 M inner products of seven elements, 1e-16 each, times the growth of a few pairs that are far from orthogonal.
@pytest.mark.parametrize("count", [1, 2, 5, 10])
def test_it_is_the_recursion_on_the_whole_matrix(count: int) -> None:
    s, y = pairs(count)
    h = dense(s, y)
    columns = torch.stack([two_loop(e, s, y) for e in torch.eye(7, dtype=torch.float64)], dim=1)
    torch.testing.assert_close(columns, h, rtol=0, atol=1e-13 * float(h.abs().max()))


def test_it_maps_the_newest_difference_of_gradients_to_its_step() -> None:
    s, y = pairs(4)
    torch.testing.assert_close(two_loop(y[-1], s, y), s[-1], rtol=1e-11, atol=1e-11)


def test_without_pairs_it_is_the_identity_and_leaves_its_argument_as_it_is() -> None:
    g = torch.tensor([1.0, -2.0])
    found = two_loop(g, g.new_zeros(0, 2), g.new_zeros(0, 2))
    assert torch.equal(found, g)
    found.zero_()
    assert g.tolist() == [1.0, -2.0]
