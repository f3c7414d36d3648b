"""Shampoo: the rules that it is where matrices are simple, and against a naive definition."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from runner.core.theta import Layout, Slot
from runner.optimizer.shampoo import Shampoo
from tests.optimizer.problems import Given, apart, trained, trained_by_hand

NUMBERS = torch.Generator().manual_seed(0)
EPS = 1e-4
PLAIN: dict[str, Any] = {"mu": 0.0, "beta2": 1.0, "graft": "none", "every": 1, "eps": EPS}


def shaped(*shapes: tuple[int, ...]) -> Layout:
    sizes = [torch.Size(shape).numel() for shape in shapes]
    places = [sum(sizes[:i]) for i in range(len(sizes))]
    return Layout(tuple(Slot(str(i), shape, places[i], sizes[i]) for i, shape in enumerate(shapes)))


def moved(rule: Shampoo, layout: Layout, gradients: list[Tensor], lr: float = 0.1) -> Tensor:
    """theta after a step along each gradient, from 0."""
    theta = torch.zeros(layout.size, dtype=torch.float64)
    state = rule.start(theta, layout)
    asked = Given(iter(gradients))
    for t in range(1, len(gradients) + 1):
        rule.step(theta, state, asked, lr, t)
    return theta


def random(size: int, steps: int = 5) -> list[Tensor]:
    return [torch.randn(size, generator=NUMBERS, dtype=torch.float64) for _ in range(steps)]


def adagrad(gradients: list[Tensor], lr: float = 0.1) -> Tensor:
    """Adagrad with eps inside the root."""
    theta, s = torch.zeros_like(gradients[0]), torch.full_like(gradients[0], EPS)
    for g in gradients:
        s += g * g
        theta -= lr * g / s.sqrt()
    return theta


# A root by eigenvectors rounds a few times: 1e-15 a step.
@pytest.mark.parametrize("shape", [(1, 1), (1,), (1, 1, 1, 1)])
def test_of_one_number_it_is_adagrad_with_eps_inside_the_root(shape: tuple[int, ...]) -> None:
    gradients = random(1)
    torch.testing.assert_close(
        moved(Shampoo(**PLAIN), shaped(shape), gradients), adagrad(gradients), rtol=1e-13, atol=1e-16
    )


def test_of_diagonal_gradients_it_is_adagrad_for_each_element() -> None:
    diagonals = random(4)
    found = moved(Shampoo(**PLAIN), shaped((4, 4)), [g.diag().flatten() for g in diagonals])
    torch.testing.assert_close(found, adagrad(diagonals).diag().flatten(), rtol=1e-13, atol=1e-16)


def test_of_a_vector_it_is_adagrad_with_the_full_matrix() -> None:
    gradients = random(6)
    theta, outer = torch.zeros(6).double(), EPS * torch.eye(6).double()
    for g in gradients:
        outer += torch.outer(g, g)
        lambdas, Q = torch.linalg.eigh(outer)
        theta -= 0.1 * Q @ (Q.T @ g / lambdas.sqrt())
    torch.testing.assert_close(moved(Shampoo(**PLAIN), shaped((6,)), gradients), theta, rtol=1e-11, atol=1e-13)


def test_the_roots_undo_the_matrices() -> None:
    rule = Shampoo(**PLAIN)
    layout = shaped((4, 3), (5,))
    theta = torch.zeros(17, dtype=torch.float64)
    state = rule.start(theta, layout)
    asked = Given(iter(random(17)))
    for t in range(1, 6):
        rule.step(theta, state, asked, 0.1, t)
    for sides, roots, p in zip(state["sides"], state["roots"], (4, 2), strict=True):
        for side, root in zip(sides, roots, strict=True):
            n = len(side)
            raised = side + EPS * torch.eye(n).double()
            whole = torch.linalg.matrix_power(root, p) @ raised
            # condition numbers up to 30 / EPS lose six digits of sixteen
            torch.testing.assert_close(whole, torch.eye(n).double(), rtol=0, atol=1e-9)


def naive(gradients: list[Tensor], beta2: float, mu: float, lr: float = 0.1) -> Tensor:
    """A matrix by the formula."""
    rows, columns = gradients[0].shape
    W, m = torch.zeros_like(gradients[0]), torch.zeros_like(gradients[0])
    L, R = torch.zeros(rows, rows).double(), torch.zeros(columns, columns).double()

    def root(A: Tensor) -> Tensor:
        lambdas, Q = torch.linalg.eigh(A + EPS * torch.eye(len(A)).double())
        return Q @ (lambdas**-0.25).diag() @ Q.T

    for G in gradients:
        L, R = beta2 * L + (1 - beta2) * G @ G.T, beta2 * R + (1 - beta2) * G.T @ G
        m = mu * m + (1 - mu) * root(L) @ G @ root(R)
        W = W - lr * m
    return W


def test_a_matrix_moves_by_the_formula() -> None:
    gradients = random(12)
    rule = Shampoo(**PLAIN | {"beta2": 0.9, "mu": 0.8})
    expected = naive([g.view(4, 3) for g in gradients], 0.9, 0.8)
    torch.testing.assert_close(moved(rule, shaped((4, 3)), gradients).view(4, 3), expected, rtol=1e-10, atol=1e-12)


def test_a_convolution_is_the_matrix_of_its_kernels() -> None:
    gradients = random(2 * 3 * 2 * 2)
    rule = Shampoo()
    one = moved(rule, shaped((2, 3, 2, 2)), gradients)
    assert torch.equal(one, moved(rule, shaped((2, 12)), gradients))


def test_blocks_move_as_if_each_were_alone() -> None:
    gradients = random(5 * 3)
    rule = Shampoo(**PLAIN | {"block": 2})
    found = moved(rule, shaped((5, 3)), gradients).view(5, 3)
    rows, columns = [0, 2, 4, 5], [0, 2, 3]
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            part = (slice(top, bottom), slice(left, right))
            alone = [g.view(5, 3)[part].reshape(-1) for g in gradients]
            expected = moved(rule, shaped((bottom - top, right - left)), alone)
            torch.testing.assert_close(found[part].reshape(-1), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("graft", ["rmsprop", "adagrad", "sgd"])
def test_a_grafted_step_has_the_direction_of_its_own_and_the_length_of_the_other(graft: Any) -> None:
    (g,) = random(12 + 4, steps=1)
    layout = shaped((4, 3), (4,))
    own = moved(Shampoo(**PLAIN), layout, [g])
    found = moved(Shampoo(**PLAIN | {"graft": graft}), layout, [g])
    # the first step of the other two is the sign of the gradient
    wanted = {"sgd": g, "rmsprop": g.sign(), "adagrad": g.sign()}[graft]
    for mine, its, length in zip(layout.views(own), layout.views(found), layout.views(wanted), strict=True):
        torch.testing.assert_close(its / its.norm(), mine / mine.norm(), rtol=1e-12, atol=1e-15)
        assert its.norm().item() == pytest.approx(0.1 * length.norm().item(), rel=1e-6, abs=0)  # their eps: 1e-8


def test_the_lengths_of_the_others_are_those_of_their_later_steps() -> None:
    gradients = random(3, steps=4)
    layout = shaped((3,))
    lengths = {}
    for graft in ("rmsprop", "adagrad"):
        rule = Shampoo(**PLAIN | {"graft": graft})
        before, after = moved(rule, layout, gradients[:3]), moved(rule, layout, gradients)
        lengths[graft] = (after - before).norm().item()
    squares = torch.stack(gradients).square()
    share = 0.001 * 0.999 ** torch.arange(3, -1, -1).double() / (1 - 0.999**4)
    mean = (share.unsqueeze(1) * squares).sum(0)
    assert lengths["rmsprop"] == pytest.approx(0.1 * (gradients[3] / mean.sqrt()).norm().item(), rel=1e-6)
    assert lengths["adagrad"] == pytest.approx(0.1 * (gradients[3] / squares.sum(0).sqrt()).norm().item(), rel=1e-6)


def test_roots_stay_between_the_steps_that_compute_them() -> None:
    rule = Shampoo(every=4)
    theta, layout = torch.zeros(6, dtype=torch.float64), shaped((3, 2))
    state = rule.start(theta, layout)
    asked = Given(iter(random(6, steps=9)))
    seen = []
    for t in range(1, 10):
        rule.step(theta, state, asked, 0.1, t)
        seen.append(state["roots"][0][0].clone())
    changed = [t for t, (one, other) in enumerate(pairwise(seen), start=2) if not torch.equal(one, other)]
    assert changed == [2, 4, 8]


# The eigenvectors there are those of torch.linalg.svd: condition numbers of 1e6 lose digits, more where many steps add.
def test_ten_steps_are_those_of_pytorch_optimizer() -> None:
    library = pytest.importorskip("pytorch_optimizer", reason="the twin is in pytorch_optimizer, in the extra `dev`")
    rule = Shampoo(**PLAIN)

    def make(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        made: torch.optim.Optimizer = library.Shampoo(parameters, lr=0.1, matrix_eps=EPS)
        return made

    twin = trained_by_hand(make, None, 10)
    assert apart(trained(rule, lambda t: 0.1, 10), twin) < 1e-9
