"""Functions of a point: values, gradients, minima and curvatures against what is known of them."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from scipy import optimize
from torch import Tensor

from runner.core.errors import ConfigError
from runner.loss.base import Function
from runner.loss.beale import Beale
from runner.loss.bowl import Bowl
from runner.loss.double_well import DoubleWell
from runner.loss.himmelblau import Himmelblau
from runner.loss.monkey_saddle import MonkeySaddle
from runner.loss.plane import Plane
from runner.loss.plateau import Plateau
from runner.loss.ravine import Ravine
from runner.loss.reddi import Reddi
from runner.loss.rosenbrock import Rosenbrock
from runner.loss.saddle import Saddle
from tests.contract.rooms import choices

Gradient = Callable[[float, float], list[float]]

# Derived by hand from the formulas of the docstrings.
GRADIENTS: dict[str, tuple[Function, Gradient]] = {
    "bowl": (Bowl(condition=25), lambda x, y: [x, 25 * y]),
    "ravine": (Ravine(), lambda x, y: [2 * x, 8 * y]),
    "saddle": (Saddle(), lambda x, y: [2 * x, -2 * y]),
    "saddle with a bottom": (Saddle(quartic=1), lambda x, y: [2 * x, -2 * y + 4 * y**3]),
    "monkey_saddle": (MonkeySaddle(), lambda x, y: [3 * x**2 - 3 * y**2, -6 * x * y]),
    "rosenbrock": (Rosenbrock(), lambda x, y: [-2 * (1 - x) - 400 * x * (y - x**2), 200 * (y - x**2)]),
    "beale": (
        Beale(),
        lambda x, y: [
            2 * sum((c - x + x * y**k) * (y**k - 1) for k, c in ((1, 1.5), (2, 2.25), (3, 2.625))),
            2 * sum((c - x + x * y**k) * k * x * y ** (k - 1) for k, c in ((1, 1.5), (2, 2.25), (3, 2.625))),
        ],
    ),
    "himmelblau": (
        Himmelblau(),
        lambda x, y: [
            4 * x * (x**2 + y - 11) + 2 * (x + y**2 - 7),
            2 * (x**2 + y - 11) + 4 * y * (x + y**2 - 7),
        ],
    ),
    "plateau": (
        Plateau(),
        lambda x, y: [x * math.exp(-(x * x + y * y) / 2), y * math.exp(-(x * x + y * y) / 2)],
    ),
    "plane": (Plane(slope=(1.0, -0.5)), lambda x, y: [1.0, -0.5]),
}
MINIMA: list[tuple[Function, list[float], float]] = [
    (Bowl(), [0, 0], 0),
    (Ravine(), [0, 0], 0),
    (Saddle(quartic=1), [0, math.sqrt(0.5)], -0.25),
    (Saddle(quartic=2), [0, -0.5], -0.125),
    (DoubleWell(), [1], 0),
    (DoubleWell(), [-1], 0),
    (Rosenbrock(), [1, 1], 0),
    (Beale(), [3, 0.5], 0),
    (Himmelblau(), [3, 2], 0),
    (Himmelblau(), [-2.805118, 3.131313], 0),
    (Himmelblau(), [-3.779310, -3.283186], 0),
    (Himmelblau(), [3.584428, -1.848127], 0),
    (Plateau(), [0, 0], 0),
]


def value(f: Function, *point: float) -> float:
    return f.value(torch.tensor([point], dtype=torch.float64), torch.tensor([0])).item()


def gradient(f: Function, *point: float) -> Tensor:
    x = torch.tensor([point], dtype=torch.float64, requires_grad=True)
    return torch.autograd.grad(f.value(x, torch.tensor([0])), x)[0][0]


def hessian(f: Function, *point: float) -> Tensor:
    at = torch.tensor(point, dtype=torch.float64)
    return torch.autograd.functional.hessian(lambda x: f.value(x[None], torch.tensor([0])), at)  # type: ignore


def test_every_function_is_examined_here() -> None:
    functions = {name for name, cls in choices("loss").items() if issubclass(cls, Function)}
    assert functions == {name.split()[0] for name in GRADIENTS} | {"double_well", "reddi"}


@pytest.mark.parametrize(("f", "by_hand"), GRADIENTS.values(), ids=GRADIENTS)
@pytest.mark.parametrize("point", [(0.3, -0.7), (-1.2, 1.0), (2.0, 0.0)])
def test_a_gradient_is_the_one_derived_by_hand(f: Function, by_hand: Gradient, point: tuple[float, float]) -> None:
    # a few roundings of sums of terms up to 400
    torch.testing.assert_close(
        gradient(f, *point), torch.tensor(by_hand(*point), dtype=torch.float64), rtol=1e-13, atol=1e-12
    )


@pytest.mark.parametrize(("f", "point", "least"), MINIMA, ids=lambda item: str(item))
def test_a_known_minimum_is_one(f: Function, point: list[float], least: float) -> None:
    # the minima of Himmelblau are known to 6 digits; their curvature is below 130, so f is off by 130 (5e-7)^2 / 2
    assert value(f, *point) == pytest.approx(least, abs=1e-10)
    assert gradient(f, *point).abs().max() < 1e-4
    assert torch.linalg.eigvalsh(hessian(f, *point)).min() > 0


@pytest.mark.parametrize(("point", "scipy_says"), [((-1.2, 1.0), 24.2), ((0.3, -0.7), None)])
def test_rosenbrock_is_that_of_scipy(point: tuple[float, float], scipy_says: float | None) -> None:
    assert value(Rosenbrock(), *point) == pytest.approx(optimize.rosen(point), rel=1e-14)
    assert scipy_says is None or value(Rosenbrock(), *point) == pytest.approx(scipy_says, rel=1e-14)
    assert gradient(Rosenbrock(), *point).tolist() == pytest.approx(optimize.rosen_der(point).tolist(), rel=1e-13)


def test_the_condition_numbers_are_as_stated() -> None:
    for f, point, condition in (
        (Bowl(condition=25), (1, 1), 25),
        (Ravine(), (1, 1), 4),
        (Rosenbrock(), (1, 1), 2508),
    ):
        low, high = torch.linalg.eigvalsh(hessian(f, *point)).tolist()
        assert high / low == pytest.approx(condition, rel=1e-3)


def test_a_saddle_point_has_no_gradient_and_curvatures_of_both_signs() -> None:
    for f in (Saddle(), Saddle(quartic=1)):
        assert gradient(f, 0, 0).tolist() == [0, 0]
        assert torch.linalg.eigvalsh(hessian(f, 0, 0)).tolist() == [-2, 2]
    assert not gradient(MonkeySaddle(), 0, 0).any()
    assert not hessian(MonkeySaddle(), 0, 0).any()


def test_a_tilted_well_has_two_minima_below_the_tilt_that_is_stated_and_one_above() -> None:
    # f' = 4 x^3 - 4 x + tilt has a double root at x = 1/sqrt(3) where tilt = 8 / (3 sqrt(3))
    limit = 8 / (3 * math.sqrt(3))
    grid = [i / 1000 for i in range(-2000, 2001)]
    for tilt, wells in ((0.0, 2), (0.99 * limit, 2), (1.01 * limit, 1)):
        f = [value(DoubleWell(tilt=tilt), x) for x in grid]
        assert sum(f[i] < f[i - 1] and f[i] < f[i + 1] for i in range(1, len(f) - 1)) == wells


def test_the_gradient_on_the_plateau_is_as_small_as_stated() -> None:
    assert gradient(Plateau(), 1, 0).norm().item() == pytest.approx(0.6, abs=0.01)
    assert gradient(Plateau(), 5, 0).norm().item() == pytest.approx(2e-5, rel=0.1)
    assert gradient(Plateau(), 39, 0).norm().item() == 0


def test_reddis_lines_have_slope_c_in_the_first_step_of_three_and_minus_1_in_the_others() -> None:
    x = torch.full((6, 1), 0.5, dtype=torch.float64)
    assert Reddi(slope=4).at(x, torch.tensor([0, 1, 2, 0, 1, 2])).tolist() == [2, -0.5, -0.5, 2, -0.5, -0.5]
    with pytest.raises(ConfigError):
        Reddi(slope=2.0)  # the mean would be flat


@pytest.mark.parametrize("classes", [None, 3])
def test_a_function_refuses_data(classes: int | None) -> None:
    with pytest.raises(ConfigError) as refused:
        Rosenbrock().outputs(classes)
    assert str(refused.value) == (
        "loss=rosenbrock is refused\n"
        "  allowed: dataset=none: it is a function of the parameters alone, and looks at no examples\n"
        "  do this: give problem=rosenbrock, or choose another loss for these data"
    )


@pytest.mark.parametrize("name", ["cross_entropy", "mse"])
def test_a_loss_of_targets_refuses_a_data_set_without_any(name: str) -> None:
    with pytest.raises(ConfigError) as refused:
        choices("loss")[name]().outputs(0)
    assert str(refused.value) == (
        f"loss={name} is refused\n  allowed: a data set with targets; this one has none\n"
        "  do this: choose a data set, or a function of the parameters as in problem=rosenbrock"
    )
