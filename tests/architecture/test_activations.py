"""Activations: values, derivatives, and what the lectures say of them."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from runner.architecture.activation.abs import Abs
from runner.architecture.activation.base import Activation
from runner.architecture.activation.elu import ELU
from runner.architecture.activation.gelu import GELU
from runner.architecture.activation.identity import Identity
from runner.architecture.activation.leaky_relu import LeakyReLU
from runner.architecture.activation.maxout import Maxout
from runner.architecture.activation.relu import ReLU
from runner.architecture.activation.sigmoid import Sigmoid
from runner.architecture.activation.sign import Sign
from runner.architecture.activation.tanh import Tanh
from runner.architecture.mlp import MLP

X = torch.linspace(-4, 4, 201, dtype=torch.float64).view(3, 67)  # with 0
NORMAL = torch.randn(100_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
TWINS: list[tuple[Activation, Callable[[Tensor], Tensor]]] = [
    (Identity(), nn.Identity()),
    (Sigmoid(), nn.Sigmoid()),
    (Tanh(), nn.Tanh()),
    (ReLU(), nn.ReLU()),
    (LeakyReLU(), nn.LeakyReLU()),
    (LeakyReLU(negative_slope=0.3), nn.LeakyReLU(0.3)),
    (ELU(), nn.ELU()),
    (ELU(alpha=0.5), nn.ELU(alpha=0.5)),
    (GELU(), nn.GELU()),
    (GELU(approximate="tanh"), nn.GELU(approximate="tanh")),
]


def slope(function: Callable[[Tensor], Tensor], x: Tensor = X) -> Tensor:
    x = x.clone().requires_grad_()
    (found,) = torch.autograd.grad(function(x).sum(), x)
    return found


@pytest.mark.parametrize(("activation", "twin"), TWINS, ids=lambda part: str(part))
def test_it_is_torch_s_function_and_derivative(activation: Activation, twin: Callable[[Tensor], Tensor]) -> None:
    assert torch.equal(activation.function()(X), twin(X))
    assert torch.equal(slope(activation.function()), slope(twin))


@pytest.mark.parametrize(
    ("activation", "values"),
    [
        (ReLU(), [0.0, 0.0, 2.0]),
        (LeakyReLU(), [-0.02, 0.0, 2.0]),
        (Identity(), [-2.0, 0.0, 2.0]),
        (Sigmoid(), [0.11920292202211755, 0.5, 0.8807970779778823]),  # 1 / (1 + e^2)
        (Tanh(), [-0.9640275800758169, 0.0, 0.9640275800758169]),
        (ELU(), [math.expm1(-2), 0.0, 2.0]),
        (GELU(), [-2 * 0.022750131948179207, 0.0, 2 * 0.9772498680518208]),  # Phi(-2), Phi(2)
        (Abs(), [2.0, 0.0, 2.0]),
        (Sign(), [-1.0, 0.0, 1.0]),
        (Sign(surrogate="straight_through"), [-1.0, 0.0, 1.0]),
    ],
    ids=str,
)
def test_an_activation_has_its_values(activation: Activation, values: list[float]) -> None:
    x = torch.tensor([-2.0, 0.0, 2.0], dtype=torch.float64)
    assert activation.function()(x).tolist() == pytest.approx(values, rel=1e-14, abs=0)


@pytest.mark.parametrize(
    "activation", [Identity(), Sigmoid(), Tanh(), ReLU(), LeakyReLU(), ELU(), GELU(), Abs(), Maxout()], ids=str
)
def test_its_derivative_is_the_limit_of_differences_off_its_kinks(activation: Activation) -> None:
    x = (torch.linspace(-3, 3, 12, dtype=torch.float64) + 0.1).view(2, 6).requires_grad_()
    assert torch.autograd.gradcheck(activation.function(), (x,))
    assert torch.autograd.gradgradcheck(activation.function(), (x,))


def test_tanh_is_a_sigmoid_that_is_stretched_and_centred() -> None:
    # rounding of two functions of size 1: a few units of 2e-16
    torch.testing.assert_close(Tanh().function()(X), 2 * Sigmoid().function()(2 * X) - 1, rtol=0, atol=1e-15)


def test_the_outputs_of_tanh_are_centred_and_those_of_the_sigmoid_are_not() -> None:
    # 100,000 standard normal inputs: the means have deviations below 1 / sqrt(100,000) = 0.0032
    assert Tanh().function()(NORMAL).mean().item() == pytest.approx(0.0, abs=0.013)
    assert Sigmoid().function()(NORMAL).mean().item() == pytest.approx(0.5, abs=0.013)


def test_the_derivative_of_the_sigmoid_is_at_most_a_quarter_and_tiny_where_it_saturates() -> None:
    assert slope(Sigmoid().function(), torch.zeros(1, dtype=torch.float64)).item() == 0.25
    assert slope(Sigmoid().function()).max() <= 0.25
    assert slope(Sigmoid().function(), torch.tensor([-6.0, 6.0], dtype=torch.float64)).max() < 0.0025


def test_the_absolute_value_is_two_rectifiers_and_keeps_the_second_moment() -> None:
    relu = ReLU().function()
    assert torch.equal(Abs().function()(X), relu(X) + relu(-X))
    assert torch.equal(Abs().function()(X).square(), X.square())


def test_maxout_with_the_pieces_0_and_x_is_the_rectifier() -> None:
    x = X[X != 0]  # at 0 both pieces are equal and share the gradient
    pieces = lambda given: torch.stack([torch.zeros_like(given), given], dim=1)  # noqa: E731
    maxout, relu = Maxout(pieces=2).function(), ReLU().function()
    assert torch.equal(maxout(pieces(x)).squeeze(1), relu(x))
    assert torch.equal(slope(lambda given: maxout(pieces(given)), x), slope(relu, x))


def test_maxout_with_the_pieces_x_and_minus_x_is_the_absolute_value() -> None:
    assert torch.equal(Maxout(pieces=2).function()(torch.cat([X, -X], dim=1)), X.abs())


@pytest.mark.parametrize("pieces", [2, 3])
@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 2, 3)], ids=["units", "channels"])
def test_maxout_takes_the_largest_of_its_pieces(pieces: int, shape: tuple[int, ...]) -> None:
    numbers = torch.Generator().manual_seed(0)
    maps = [torch.randn(shape, generator=numbers) for _ in range(pieces)]
    found = Maxout(pieces=pieces).function()(torch.cat(maps, dim=1))
    assert torch.equal(found, torch.stack(maps).max(0).values)
    assert found.shape == shape


def test_maxout_makes_an_affine_map_of_so_many_times_the_units() -> None:
    w, b, last, _ = MLP(hidden=(5,), activation=Maxout(pieces=3)).build((4,), 2).parameters()
    assert (w.shape, b.shape, last.shape) == ((15, 4), (15,), (2, 5))


def test_a_rectifier_that_is_negative_on_all_examples_is_dead_and_a_leaky_one_is_not() -> None:
    x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    found = {}
    for activation in (ReLU(), LeakyReLU()):
        module = MLP(hidden=(3,), activation=activation).build((4,), 2)
        w, b, last, _ = module.parameters()
        with torch.no_grad():
            b.fill_(-1e3)
        found[activation.label] = torch.autograd.grad(module(x).square().sum(), [w, b, last])
    assert not any(g.any() for g in found["relu"])  # exactly 0, all of it
    assert all(g.any() for g in found["leaky_relu"])


def test_the_sign_has_a_gradient_of_exactly_0() -> None:
    assert not slope(Sign().function()).any()
    module = MLP(hidden=(5, 4), activation=Sign()).build((3,), 2)
    *hidden, last, bias = torch.autograd.grad(
        module(torch.randn(9, 3, generator=torch.Generator().manual_seed(0))).square().sum(), list(module.parameters())
    )
    assert not any(g.any() for g in hidden)
    assert last.any()
    assert bias.any()


def test_the_straight_through_sign_has_exactly_the_values_of_the_sign_and_the_slope_of_hardtanh() -> None:
    function = Sign(surrogate="straight_through").function()
    for x in (X, X.float() / 3, NORMAL):
        assert torch.equal(function(x), torch.sign(x))
        assert torch.equal(slope(function, x), slope(F.hardtanh, x))
