"""The loss on the line from start to end, and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from runner.landscape.base import Surface, Trajectory
from runner.landscape.line import HIGH, LOW, Line, along
from runner.run import drawn, prepare
from tests.lanes.sides import composed, run


def trajectory(*points: torch.Tensor) -> Trajectory:
    return Trajectory("sgd", "sgd", "completed", tuple(range(len(points))), torch.stack(points))


def line(train: list[float]) -> Line:
    """A line whose inside are these losses."""
    alphas = np.array([LOW, *np.linspace(0, 1, len(train)), HIGH])
    return Line("sgd", "sgd", alphas, np.array([9.0, *train, 9.0]), np.zeros(len(train) + 2))


def test_on_a_quadratic_the_line_is_the_parabola_of_the_closed_form() -> None:
    """f = (x1^2 + 7 x2^2) / 2 at (1 - alpha) (3, -2) + alpha (-1, 1/2)."""
    chosen = composed("problem=bowl", "loss.condition=7")
    m = prepare(chosen)
    surface = Surface(chosen, m, m.train, 10)
    found = along(
        trajectory(torch.tensor([3.0, -2.0]).double(), torch.tensor([-1.0, 0.5]).double()), surface, surface, 31
    )
    x1, x2 = 3 - 4 * found.alphas, -2 + 2.5 * found.alphas
    # 1e-14: float64 rounds the place and the square to 2e-16 each, of numbers up to 60
    assert found.train == pytest.approx((x1**2 + 7 * x2**2) / 2, rel=1e-13, abs=1e-14)
    assert len(found.alphas) == 31
    assert (found.alphas[0], found.alphas[-1]) == (LOW, HIGH)


def test_both_ends_are_on_the_line_to_the_bit_and_training_and_validation_are_told_apart() -> None:
    chosen = run("seed=3", "precision=float32")
    m = prepare(chosen)
    train, validation = Surface(chosen, m, m.train, 10_000), Surface(chosen, m, m.validation, 10_000)
    start, end = m.theta.clone(), m.theta * 1.3 + 0.1
    found = along(trajectory(start, end), train, validation, 13)
    for alpha, theta in ((0.0, start), (1.0, end)):
        (at,) = np.flatnonzero(found.alphas == alpha)
        assert (found.train[at], found.validation[at]) == (train(theta), validation(theta))


def test_the_losses_are_those_that_training_and_validation_report() -> None:
    """Of the first row: the validation loss after the epoch, where the network is in use, dropout off."""
    from runner.train import evaluate

    chosen = run("architecture.dropout=0.4", "regularizer=l2", "regularizer.strength=0.1")
    m = prepare(chosen)
    asked = Surface(chosen, m, m.validation, 10_000)
    expected = evaluate(chosen.loss, m.objective, m.theta, m.validation)["loss"]
    assert asked(m.theta) == pytest.approx(expected, rel=1e-14)  # the sum is taken in parts there


@pytest.mark.parametrize(
    ("losses", "told"),
    [
        ([3.0, 2.0, 1.0], "falls all the way, from 3 to 1"),
        ([3.0, 1.0, 1.5], "no barrier, from 3 to 1.5, but rises by 0.5 on the way"),
        ([3.0, 2.0, 3.5, 1.0], "a barrier: at alpha 0.667 the loss is 0.5 above the higher end"),
        ([1.0, 2.0], "rises from 1 to 2"),
        ([3.0, float("inf"), 1.0], "the loss is not finite everywhere between start and end"),
    ],
)
def test_what_one_sees_of_the_line_is_said(losses: list[float], told: str) -> None:
    assert line(losses).told == told


def test_of_many_examples_the_same_few_are_drawn_every_time_and_of_few_all_are_taken() -> None:
    chosen = run("seed=5")
    m = prepare(chosen)
    few, again, all_of_them = (Surface(chosen, m, m.train, size) for size in (20, 20, len(m.train)))
    assert (few.examples, all_of_them.examples) == (20, 106)
    assert few(m.theta) == again(m.theta)
    x, y = m.train.rows(drawn(5, 106, 20, 0))
    assert few(m.theta) == chosen.loss.value(m.module(x), y).item()
    x, y = m.train.rows(torch.arange(106))
    assert all_of_them(m.theta) == chosen.loss.value(m.module(x), y).item()
