"""Probes of the curvature, against whole matrices and on quadratics whose spectrum is known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from runner.core.curvature import Curved
from runner.core.theta import adopt
from runner.probe.base import Observation, Probe
from runner.probe.hessian_trace import HessianTrace
from runner.probe.optimality import Optimality
from runner.probe.sharpness import Sharpness
from tests.optimizer.problems import Examples, drawn, network


def seen_of(asked: Curved, theta: Tensor) -> Observation:
    return Observation(theta, theta, asked.layout, lambda n: asked.sample(n, 0))


class Bent(nn.Module):
    """L = sum_i h_i theta_i^2 / 2, whatever its input."""

    def __init__(self, h: list[float]) -> None:
        super().__init__()
        self.h = torch.tensor(h).double()
        self.theta = nn.Parameter(torch.ones(len(h)).double())

    def forward(self, x: Tensor) -> Tensor:
        return self.h * self.theta.square() / 2


def bent(h: list[float], at: list[float]) -> Observation:
    """What a probe sees at a point of a quadratic."""
    theta, layout = adopt(module := Bent(h))
    pool = Examples(torch.float64)
    asked = Curved(module, lambda output, y: output.sum(), theta, layout, pool=pool, drawn=drawn)
    return seen_of(asked, torch.tensor(at).double())


def on_the_network() -> tuple[Observation, Tensor]:
    """What a probe sees of the network, and the Hessian on the same 50 examples, `[P, P]`."""
    theta, layout = adopt(module := network())
    asked = Curved(module, F.cross_entropy, theta, layout, pool=Examples(torch.float64), drawn=drawn)
    product = asked.sample(50, 0).hessian(theta)
    return seen_of(asked, theta.clone()), torch.stack([product(e) for e in torch.eye(len(theta)).double()])


# As many steps as parameters: the spectrum is exact but for rounding.
def test_the_ends_of_the_spectrum_are_those_of_the_whole_matrix() -> None:
    seen, H = on_the_network()
    values = torch.linalg.eigvalsh(H)
    sharpness, _ = Sharpness(examples=50, steps=45).measure(seen)
    slope, least, most = Optimality(examples=50, steps=45).measure(seen)
    assert sharpness == most == pytest.approx(values[-1].item(), rel=1e-10)
    assert least == pytest.approx(values[0].item(), rel=1e-6)
    assert slope == pytest.approx(seen.examine(50).value_and_grad(seen.theta)[1].norm().item(), rel=1e-14)


def test_the_trace_is_that_of_the_whole_matrix_within_its_error() -> None:
    seen, H = on_the_network()
    trace, error = HessianTrace(examples=50, signs=200).measure(seen)
    assert abs(trace - H.trace().item()) < 3 * error  # fixed signs, no luck in it
    beside = (H - torch.diag(H.diagonal())).norm().item()
    assert error == pytest.approx((2 / 200) ** 0.5 * beside, rel=0.2)  # the deviation of 200 numbers errs by some 5 %


@pytest.mark.parametrize(
    ("h", "at", "expected"),
    [
        ([1.0, 2.0, 4.0], [0.0, 0.0, 0.0], (0.0, 1.0, 4.0)),  # a minimum
        ([1.0, 2.0, -4.0], [0.0, 0.0, 0.0], (0.0, -4.0, 2.0)),  # a saddle point
        ([-1.0, -2.0, -4.0], [0.0, 0.0, 0.0], (0.0, -4.0, -1.0)),  # a maximum
        ([1.0, 2.0, 4.0], [3.0, 0.0, 1.0], (5.0, 1.0, 4.0)),
    ],
)
def test_slope_and_inertia_tell_a_minimum_from_a_saddle_point_and_a_maximum(
    h: list[float], at: list[float], expected: tuple[float, ...]
) -> None:
    assert Optimality().measure(bent(h, at)) == pytest.approx(expected, rel=1e-12)


def test_the_trace_of_a_diagonal_hessian_has_no_error() -> None:
    assert HessianTrace(signs=3).measure(bent([1.0, 2.0, -4.0], [1.0, 1.0, 1.0])) == (-1.0, 0.0)


@pytest.mark.parametrize("probe", [Sharpness(), HessianTrace(), Optimality()])
def test_where_the_loss_is_not_finite_its_numbers_are_not_either(probe: Probe) -> None:
    found = probe.measure(bent([math.inf, 1.0], [1.0, 1.0]))
    assert not any(math.isfinite(number) for number in found)
